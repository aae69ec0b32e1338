# ruff: noqa: PT012 - what fails is the transaction as a whole

import asyncio
import multiprocessing
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select

from responder.audit import Entry, append, tail, verify
from responder.audit.log import GENESIS, link
from responder.store import Store
from responder.store.tables import audit
from tests.audit.tampering import append_in_a_process, entry, write
from tests.databases import ManualClock, Opener

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_SAFE = 2**53 - 1  # the integers that JSON's numbers hold exactly, RFC 8785 section 3.2.2.3
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-_SAFE, _SAFE) | st.floats(allow_nan=False,
    allow_infinity=False) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
_ENTRIES = st.builds(
    Entry, kind=_TEXT, actor=_TEXT, subject=_TEXT, incident=st.none() | _TEXT,
    data=st.dictionaries(_TEXT, _JSON, max_size=3),
)  # fmt: skip


async def test_a_thousand_entries_hold(store: Store) -> None:
    await write(store, 1_003)
    assert await verify(store) == (1_003, None)


async def test_an_empty_log_holds(store: Store) -> None:
    assert await verify(store) == (0, None)


async def test_appending_nothing_writes_nothing(store: Store) -> None:
    async with store.transaction() as tx:
        await append(tx, store.now())
    assert await verify(store) == (0, None)


async def test_entries_of_a_transaction_that_failed_are_not_there(store: Store) -> None:
    await write(store, 3)
    with pytest.raises(RuntimeError):
        async with store.transaction() as tx:
            await append(tx, store.now(), entry(4), entry(5))
            raise RuntimeError
    assert await verify(store) == (3, None)
    await write(store, 2, first=4)
    assert await verify(store) == (5, None)


async def test_twenty_writers_at_once_make_one_chain_from_the_very_first_entry(
    store: Store, store_url: str, open_store: Opener
) -> None:
    other = open_store(store_url)

    async def add(which: Store, number: int) -> None:
        for turn in range(3):
            async with which.transaction() as tx:
                await append(tx, which.now(), entry(number * 10 + turn))

    await asyncio.gather(*(add(which, n) for n in range(10) for which in (store, other)))

    assert await verify(store) == (60, None)


async def test_two_processes_make_one_chain(store: Store, store_url: str) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(2) as pool:
        arguments = [(store_url, 1), (store_url, 101)]
        await asyncio.to_thread(pool.starmap, append_in_a_process, arguments)
        pool.close()
        pool.join()

    assert await verify(store) == (50, None)
    async with store.reading() as tx:
        assert (await tx.execute(select(func.count(audit.c.subject.distinct())))).scalar_one() == 50


async def test_checking_while_others_append_raises_no_false_alarm(store: Store) -> None:
    async def add() -> None:
        for number in range(40):
            await write(store, 1, first=number)

    adding = asyncio.create_task(add())
    while not adding.done():
        held, fault = await verify(store)
        assert fault is None, (held, fault)
    await adding


async def test_the_tail_is_the_last_entries_oldest_first(store: Store) -> None:
    await write(store, 6)
    async with store.reading() as tx:
        assert [row["seq"] for row in await tail(tx, 3)] == [4, 5, 6]
        assert [row["seq"] for row in await tail(tx, 9, incident="IR-003")] == [3]


@settings(max_examples=200, deadline=None)
@given(_ENTRIES, _ENTRIES)
def test_different_entries_have_different_links(one: Entry, other: Entry) -> None:
    at = ManualClock().now
    assert (link(1, at, one, GENESIS) == link(1, at, other, GENESIS)) == (
        one.model_dump_json() == other.model_dump_json()
    )
    assert link(1, at, one, GENESIS) != link(2, at, one, GENESIS)
    assert link(1, at, one, GENESIS) != link(1, at + timedelta(microseconds=1), one, GENESIS)
    assert link(1, at, one, GENESIS) != link(1, at, one, "1" * 64)


async def test_what_is_written_down_reads_back_to_the_same_link(store: Store) -> None:
    """Floats, escapes and the order of keys survive both databases' JSON."""
    data = {
        "b": 0.1,
        "a": 1e22,
        "z": [1.0, -0.0, 5e-324, None, True],
        "é": '\u2028\x1f\\ "\U0001f512',
    }
    async with store.transaction() as tx:
        await append(tx, store.now(), Entry(kind="k", actor="a", subject="s", data=data))
    assert await verify(store) == (1, None)
