# ruff: noqa: PT012 - what fails is the transaction as a whole

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import DBAPIError, StatementError

from responder.audit import Entry, append, verify
from responder.store import Store
from responder.store.database import unusable
from responder.store.rows import insert_new, next_number
from responder.store.tables import counters, settings_now
from tests.databases import Opener


async def _names(store: Store) -> list[str]:
    async with store.reading() as tx:
        return list((await tx.execute(select(counters.c.name).order_by(counters.c.name))).scalars())


async def test_a_transaction_that_fails_leaves_nothing(store: Store) -> None:
    with pytest.raises(RuntimeError, match="half-way"):
        async with store.transaction() as tx:
            await tx.execute(insert(counters).values(name="one", value=1))
            raise RuntimeError("half-way")
    assert await _names(store) == []


async def test_a_transaction_that_is_cancelled_leaves_nothing_and_no_lock(store: Store) -> None:
    started = asyncio.Event()

    async def hang() -> None:
        async with store.transaction() as tx:
            await tx.execute(insert(counters).values(name="one", value=1))
            started.set()
            await asyncio.sleep(60)

    task = asyncio.create_task(hang())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with store.transaction() as tx:
        await tx.execute(insert(counters).values(name="two", value=1))
    assert await _names(store) == ["two"]


async def test_tasks_that_are_cancelled_at_any_moment_leave_no_lock(store: Store) -> None:
    """As Temporal cancels activities; their tracebacks live on, and with them their cursors."""

    async def write(number: int) -> None:
        async with store.transaction() as tx:
            await append(tx, store.now(), Entry(kind="k", actor="a", subject=f"{number}"))

    kept = []
    for number in range(60):
        tasks = [asyncio.create_task(write(number)) for _ in range(2)]
        await asyncio.sleep(number * 0.0002)
        for task in tasks:
            task.cancel()
        kept += await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(5):
            await write(number)

    assert any(isinstance(one, asyncio.CancelledError) for one in kept)
    held, fault = await verify(store)
    assert fault is None
    assert held >= 60


async def test_writing_while_only_reading_is_an_error(store: Store) -> None:
    with pytest.raises(DBAPIError):
        async with store.reading() as tx:
            await tx.execute(insert(counters).values(name="one", value=1))
    assert await _names(store) == []
    async with store.transaction() as tx:  # the connection that only read may write again
        await tx.execute(insert(counters).values(name="two", value=1))


async def test_a_reading_sees_one_moment(store: Store) -> None:
    async with store.reading() as tx:
        assert (await tx.execute(select(counters.c.name))).scalars().all() == []
        async with store.transaction() as other:
            await other.execute(insert(counters).values(name="one", value=1))
        assert (await tx.execute(select(counters.c.name))).scalars().all() == []
    assert await _names(store) == ["one"]


async def test_no_number_is_given_twice(store: Store, store_url: str, open_store: Opener) -> None:
    other = open_store(store_url)

    async def one(which: Store) -> int:
        async with which.transaction() as tx:
            return await next_number(tx, "incident")

    numbers = await asyncio.gather(*(one(which) for _ in range(15) for which in (store, other)))
    assert sorted(numbers) == list(range(1, 31))


async def test_a_number_of_a_transaction_that_failed_is_given_again(store: Store) -> None:
    with pytest.raises(RuntimeError):
        async with store.transaction() as tx:
            assert await next_number(tx, "incident") == 1
            raise RuntimeError
    async with store.transaction() as tx:
        assert await next_number(tx, "incident") == 1


async def test_a_row_is_inserted_once_and_never_overwritten(store: Store) -> None:
    async with store.transaction() as tx:
        assert await insert_new(tx, counters, {"name": "one", "value": 1})
        assert not await insert_new(tx, counters, {"name": "one", "value": 2})
        assert (await tx.execute(select(counters.c.value))).scalar_one() == 1


async def test_of_many_equal_inserts_exactly_one_is_new(store: Store) -> None:
    async def one(value: int) -> bool:
        async with store.transaction() as tx:
            return await insert_new(tx, counters, {"name": "one", "value": value})

    assert sum(await asyncio.gather(*(one(i) for i in range(12)))) == 1


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2026, 3, 4, 5, 6, 7, 891011, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        datetime(2026, 3, 29, 2, 30, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    ],
)
async def test_a_moment_comes_back_to_the_microsecond_and_in_utc(
    store: Store, moment: datetime
) -> None:
    async with store.transaction() as tx:
        await tx.execute(insert(settings_now).values(name="x", value={}, changed=moment))
        found = (await tx.execute(select(settings_now.c.changed))).scalar_one()
    assert (found, found.tzinfo) == (moment, UTC)


async def test_a_moment_without_a_zone_is_an_error(store: Store) -> None:
    with pytest.raises(StatementError, match="no time zone"):
        async with store.transaction() as tx:
            naive = datetime(2026, 3, 4)  # noqa: DTZ001 - that is what must be refused
            await tx.execute(insert(settings_now).values(name="x", value={}, changed=naive))


async def test_sqlite_survives_power_loss_by_its_settings(tmp_path: Path) -> None:
    store = Store.at(tmp_path / "responder.sqlite")
    async with store.reading() as tx:
        found = [
            (await tx.execute(text(f"PRAGMA {name}"))).scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    await store.close()
    assert found == ["wal", 2, 1]


async def test_writers_of_two_processes_wait_for_each_other(
    store: Store, store_url: str, open_store: Opener
) -> None:
    other = open_store(store_url)
    async with store.transaction() as tx:
        await insert_new(tx, counters, {"name": "n", "value": 0})

    async def add(which: Store) -> None:
        async with which.transaction() as tx:
            row = (await tx.execute(select(counters).with_for_update())).one()
            await asyncio.sleep(0.001)
            await tx.execute(update(counters).values(value=row.value + 1))

    await asyncio.gather(*(add(which) for _ in range(10) for which in (store, other)))
    async with store.reading() as tx:
        assert (await tx.execute(select(counters.c.value))).scalar_one() == 20


async def test_rows_touched_in_opposite_orders_are_no_deadlock(
    store: Store, store_url: str, open_store: Opener
) -> None:
    other = open_store(store_url)
    async with store.transaction() as tx:
        for name in ("a", "b"):
            await insert_new(tx, counters, {"name": name, "value": 0})

    async def add(which: Store, *names: str) -> None:
        async with which.transaction() as tx:
            for name in names:
                this = update(counters).where(counters.c.name == name)
                await tx.execute(this.values(value=counters.c.value + 1))
                await asyncio.sleep(0.01)

    await asyncio.gather(
        *(add(store, "a", "b") for _ in range(3)), *(add(other, "b", "a") for _ in range(3))
    )
    async with store.reading() as tx:
        assert (await tx.execute(select(counters.c.value))).scalars().all() == [6, 6]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("database or disk is full", "disk is full; free space"),
        ("could not extend file: No space left on device", "disk is full; free space"),
        ("attempt to write a readonly database", "cannot be opened for writing"),
        ("something else", "the database answered: something else"),
    ],
)
def test_a_database_fault_names_what_to_do(said: str, told: str) -> None:
    assert told in str(unusable(DBAPIError("", None, Exception(said))))
