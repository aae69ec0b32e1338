"""The auditor: every way of being late is planted, found, told once, and gone when it is mended."""

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from responder.incident import Priority
from responder.policy.sla import MATRIX
from responder.standing.auditor import DEAD, TEMPORAL, Auditor, Watch, age, beat
from responder.standing.clocks import start_clocks
from responder.standing.expected import compared
from responder.store import Store
from responder.store.paging import pages
from responder.store.tables import clocks, incidents, messages, runs
from responder.store.watching import findings, heartbeats
from responder.verbs.telling import tell
from tests.databases import ManualClock, on_both
from tests.standing.test_clocks import Case
from tests.verbs.desk import POLICY, Desk, block, isolate

Planted = Callable[[Case], Awaitable[None]]


async def a_clock(case: Case) -> None:
    """A clock that nobody struck."""
    case.desk.clock.advance(minutes=6)


async def a_look(case: Case) -> None:
    """An incident that nobody looked at."""
    async with case.desk.store.transaction() as tx:
        await tx.execute(update(incidents).values(next_strike=case.now))
    case.desk.clock.advance(seconds=31)


async def an_ask(case: Case) -> None:
    """An ask that nobody ended."""
    await case.desk.do(case.run, isolate())
    await _only(case)
    case.desk.clock.advance(minutes=16)


async def a_lease(case: Case) -> None:
    """A lease that nothing undid."""
    await case.desk.do(case.run, block(minutes=10))
    await _only(case)
    case.desk.clock.advance(minutes=12)


async def a_message(case: Case) -> None:
    """A loud message that no channel took."""
    async with case.desk.store.transaction() as tx:
        await tell(tx, case.now, key="lost", audience="CISO", subject="x", loud=True)
    case.desk.clock.advance(seconds=61)


async def a_page(case: Case) -> None:
    """A page that nobody answered."""
    row = {
        "id": "p1", "key": "k", "incident": "IR-1", "run": case.run, "role": "CISO", "subject": "",
        "body": "", "opened": case.now, "times": 3, "unanswered": case.now, "heard": False,
    }  # fmt: skip
    async with case.desk.store.transaction() as tx:
        await tx.execute(insert(pages).values(row))


async def a_run(case: Case) -> None:
    """A run that does nothing."""
    await _only(case)
    case.desk.clock.advance(minutes=61)


async def a_duty(case: Case) -> None:
    """A report that nobody said was due."""
    await case.steering.begin_duty("IR-1", case.desk.people["ana"], "gdpr", aware=case.now)
    await _only(case)
    case.desk.clock.advance(days=3, seconds=31)


async def _only(case: Case) -> None:
    """Let nothing else be late."""
    async with case.desk.store.transaction() as tx:
        await tx.execute(update(clocks).values(met=case.now))
        await tx.execute(update(incidents).values(next_strike=None))


PLANTED: dict[Planted, str] = {
    a_clock: "a clock that was not struck",
    a_look: "an incident that nobody looked at when it was time",
    an_ask: "an ask that is open past its time",
    a_lease: "a lease that is past its end and not undone",
    a_message: "a loud message that no channel took",
    a_page: "a page that nobody answered",
    a_run: "a run that is open and does nothing",
    a_duty: "a report that is due and was not said to be",
}


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
@pytest.mark.parametrize("plant", PLANTED, ids=lambda one: one.__name__)
async def test_whatever_is_late_is_found_told_loudly_once_and_kept(
    desk: Desk, plant: Planted
) -> None:
    case = await Case(desk, "P1", POLICY).open()
    auditor = Auditor(desk.store)
    assert await auditor.once() == []
    await plant(case)
    kind = PLANTED[plant]
    assert kind in {one.kind for one in await auditor.once()}
    [message] = [m for m in await desk.messages("finding/") if kind in m.subject]
    assert (message.audience, message.loud) == ("escalation", True)
    desk.clock.advance(minutes=1)
    again = {one.kind for one in await auditor.once()}
    assert kind not in again, "once"
    assert len([m for m in await desk.messages("finding/") if kind in m.subject]) == 1
    assert kind in {entry.data["kind"] for entry in await desk.audited("finding")}


async def test_what_is_mended_is_gone(desk: Desk) -> None:
    case = await Case(desk, "P1", POLICY).open()
    auditor = Auditor(desk.store)
    await a_clock(case)
    await auditor.once()
    await case.look()
    await auditor.once()
    async with desk.store.reading() as tx:
        rows = (await tx.execute(select(findings))).mappings().all()
    assert [row["gone"] == desk.clock.now for row in rows] == [True]


async def test_its_own_message_that_no_channel_takes_is_no_further_finding(desk: Desk) -> None:
    case = await Case(desk, "P1", POLICY).open()
    auditor = Auditor(desk.store)
    await a_message(case)
    assert len(await auditor.once()) == 1
    for _ in range(3):
        desk.clock.advance(minutes=1)
        assert await auditor.once() == []


async def test_many_findings_of_a_kind_are_one_message(desk: Desk) -> None:
    await Case(desk, "P1", POLICY).open()
    async with desk.store.transaction() as tx:
        for number in range(40):
            key = f"lost-{number}"
            await tell(tx, desk.clock.now, key=key, audience="CISO", subject="x", loud=True)
    desk.clock.advance(seconds=61)
    assert len(await Auditor(desk.store).once()) == 40
    [message] = await desk.messages("finding/")
    assert message.subject == "The auditor found a loud message that no channel took, 40 times"
    assert "and 30 more" in message.body


async def test_the_auditor_is_watched_from_another_process(
    store: Store, clock: ManualClock
) -> None:
    auditor, watch = Auditor(store), Watch(store)
    assert await age(store) is None
    await looked(store, TEMPORAL)
    await auditor.once()
    clock.advance(minutes=2)
    assert await age(store) == timedelta(minutes=2)
    assert not await watch.once()
    await looked(store, TEMPORAL)
    clock.advance(seconds=61)
    assert await watch.once() == ["auditor"], "told"
    clock.advance(minutes=1)
    await looked(store, TEMPORAL)
    assert not await watch.once(), "once"
    await auditor.once()
    clock.advance(minutes=3, seconds=1)
    await looked(store, TEMPORAL)
    assert await watch.once() == ["auditor"], "dead again is told again"
    async with store.reading() as tx:
        told = (await tx.execute(select(messages.c.subject))).scalars().all()
    assert told[0] == "The auditor has not looked since 2026-03-04 12:00:00 UTC"
    assert len(told) == 2


async def looked(store: Store, name: str) -> None:
    async with store.transaction() as tx:
        await beat(tx, name, store.now(), 0.1, "")


async def test_a_watch_of_temporal_that_has_died_is_missed_too(
    store: Store, clock: ManualClock
) -> None:
    watch = Watch(store)
    await Auditor(store).once()
    await looked(store, TEMPORAL)
    clock.advance(minutes=3, seconds=1)
    await Auditor(store).once()
    assert await watch.once() == [TEMPORAL]
    async with store.reading() as tx:
        (said,) = (await tx.execute(select(messages.c.subject, messages.c.body))).all()
    assert said.subject.startswith("The watch for strangers in Temporal has not looked since")
    assert "does Temporal answer?" in said.body


async def test_who_never_began_is_missed_as_well(store: Store, clock: ManualClock) -> None:
    watch = Watch(store)
    clock.now += DEAD
    assert not await watch.once()
    clock.advance(seconds=1)
    assert await watch.once() == ["auditor", TEMPORAL]


@on_both
async def test_a_thousand_open_incidents_are_compared_in_a_moment(desk: Desk) -> None:
    rows = await _thousand(desk)
    assert rows == 1000
    desk.clock.advance(minutes=2)
    async with desk.store.reading() as tx:
        began = time.perf_counter()
        found = await compared(tx, desk.clock.now)
        took = time.perf_counter() - began
    name = desk.store.url.get_backend_name()
    print(f"1,000 open incidents compared in {took * 1e3:.0f} ms on {name}")
    assert found == []
    assert took < 2, "an auditor that is dear gets switched off"
    await Auditor(desk.store).once()
    async with desk.store.reading() as tx:
        beat: Any = (await tx.execute(select(heartbeats))).mappings().one()
    assert beat["said"] == "0 found, 0 of them new"


async def _thousand(desk: Desk) -> int:
    await desk.open_run("IR-0")
    async with desk.store.transaction() as tx:
        base = dict((await tx.execute(select(incidents))).mappings().one())
        run = dict((await tx.execute(select(runs))).mappings().one())
        for number in range(1, 1000):
            name = f"IR-{number}"
            await tx.execute(insert(incidents).values(base | {"id": name, "open_key": name}))
            await tx.execute(insert(runs).values(run | {"id": f"{name}/1", "incident": name}))
            await start_clocks(tx, name, MATRIX[Priority.P2], desk.clock.now, None)
        return len((await tx.execute(select(incidents.c.id))).all())
