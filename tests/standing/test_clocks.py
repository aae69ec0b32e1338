"""Clocks of an incident: struck once, climbed, lapsed, paused, planned again; by looks at a moved clock."""

from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import insert, select, update

from responder.errors import Refused
from responder.handling import Resolution, acknowledge, close
from responder.incident import Priority
from responder.policy.holidays import Holidays
from responder.policy.judge import Policy
from responder.policy.sla import MATRIX, Clock
from responder.policy.working_time import WorkingHours
from responder.standing.clocks import start_clocks
from responder.standing.stand import stand
from responder.standing.whole import whole
from responder.steering import Steering
from responder.store.tables import clocks, incidents
from responder.workflows.wire import Announcement, Standing
from tests.databases import on_both
from tests.verbs.desk import POLICY, Desk, block, isolate

MINUTE = timedelta(minutes=1)


class Case:
    """One incident with its clocks, and what people do about it."""

    def __init__(self, desk: Desk, priority: str, policy: Policy) -> None:
        self.desk, self.priority = desk, priority
        desk.policy = policy
        self.steering = Steering(desk.store, desk.context.kinds, policy)
        self.run = ""

    async def open(self) -> "Case":
        self.run = await self.desk.open_run(priority=self.priority)
        targets = self.desk.policy.sla[Priority(self.priority)]
        async with self.desk.store.transaction() as tx:
            await start_clocks(tx, "IR-1", targets, self.desk.clock.now, None)
        return self

    async def look(self) -> Standing:
        async with self.desk.store.transaction() as tx:
            found = await stand(
                tx, self.desk.context.kinds, self.desk.policy, "IR-1", self.desk.clock.now
            )
        assert found is not None
        return found

    async def until(self, **span: float) -> Standing:
        """Look whenever there is something to look for, as a workflow does, for so long."""
        end = self.desk.clock.now + timedelta(**span)
        standing = await self.look()
        while standing.next_strike is not None and standing.next_strike <= end:
            self.desk.clock.now = max(standing.next_strike, self.desk.clock.now)
            standing = await self.look()
        self.desk.clock.now = end
        return await self.look()

    async def clock(self, clock: Clock) -> Any:
        async with self.desk.store.reading() as tx:
            query = select(clocks).where(clocks.c.incident == "IR-1", clocks.c.clock == clock)
            return (await tx.execute(query)).mappings().one_or_none()

    async def incident(self) -> Any:
        async with self.desk.store.reading() as tx:
            return (await tx.execute(select(incidents))).mappings().one()

    async def told(self, start: str) -> list[tuple[str, str]]:
        """To whom, and about what, in order."""
        return [(m.audience, m.subject) for m in await self.desk.messages(start)]

    async def ack(self, who: str = "ana") -> None:
        await acknowledge(self.desk.store, "IR-1", self.desk.people[who])

    @property
    def now(self) -> datetime:
        return self.desk.clock.now


@pytest.fixture
def policy() -> Policy:
    """The owner's matrix, and approvals without a second factor."""
    return POLICY


@pytest.fixture
async def p1(desk: Desk, policy: Policy) -> Case:
    """A P1 that was just opened."""
    return await Case(desk, "P1", policy).open()


@pytest.fixture
async def p2(desk: Desk, policy: Policy) -> Case:
    """A P2 that was just opened."""
    return await Case(desk, "P2", policy).open()


async def test_reminders_come_at_half_and_at_four_fifths_and_a_breach_once(p1: Case) -> None:
    opened = p1.now
    await p1.until(minutes=5)
    assert [subject for _, subject in await p1.told("remind/IR-1/acknowledge/")] == [
        "P1 IR-1: 50% of the time to acknowledge is used",
        "P1 IR-1: 80% of the time to acknowledge is used",
    ]
    assert await p1.told("breach/IR-1/acknowledge/") == [
        ("Security Team", "P1 IR-1: not acknowledged in time (12:05:00 UTC)")
    ]
    row = await p1.clock(Clock.ACKNOWLEDGE)
    assert row["breached"] == opened + 5 * MINUTE
    await p1.look()
    assert len(await p1.told("breach/")) == 1


async def test_the_chain_goes_round_three_times_and_ends_loudly_unanswered(p1: Case) -> None:
    standing = await p1.until(minutes=59)
    assert [audience for audience, _ in await p1.told("climb/")] == [
        "CISO", "Security Team", "CISO", "Security Team", "CISO",
    ]  # fmt: skip
    assert (await p1.incident())["unanswered"] is None
    standing = await p1.until(minutes=10)
    assert (await p1.incident())["unanswered"] is not None
    assert standing.status == "unanswered, responding"
    assert standing.waiting_for == "UNANSWERED"
    assert "nobody answers" in standing.board.lower()
    [(audience, subject)] = await p1.told("nobody/")
    assert audience == "CISO"
    assert subject.startswith("P1 IR-1: UNANSWERED by Security Team, CISO since 13:05:00")
    await p1.until(minutes=61)
    assert len(await p1.told("nobody/")) == 3, "never silent"
    await p1.ack()
    standing = await p1.look()
    assert (standing.status, standing.waiting_for) == ("responding", "")
    assert len(await p1.desk.audited("unanswered")) == 1


async def test_an_incident_climbs_the_chain_it_was_opened_with_until_a_new_one_is_adopted(
    p1: Case,
) -> None:
    async with p1.desk.store.transaction() as tx:
        await tx.execute(update(incidents).values(chain=["Night Watch", "CISO"]))
    ana = p1.desk.people["ana"]
    await p1.until(minutes=6)
    assert (await p1.told("breach/IR-1/acknowledge/"))[0][0] == "Night Watch"
    assert await p1.steering.adopt_chain("IR-1", ana) == ("Security Team", "CISO")
    await p1.until(minutes=30)
    assert "Night Watch" not in [audience for audience, _ in await p1.told("climb/")]
    with pytest.raises(Refused, match="its chain is Security Team → CISO already"):
        await p1.steering.adopt_chain("IR-1", ana)
    assert len(await p1.desk.audited("chain adopted")) == 1


async def test_a_chain_of_one_is_told_three_times_and_then_it_is_unanswered(p2: Case) -> None:
    await p2.until(minutes=16)
    assert len(await p2.told("breach/")) == 1
    await p2.until(minutes=30)
    assert [a for a, _ in await p2.told("climb/")] == ["Security Team"] * 2
    assert [a for a, _ in await p2.told("nobody/")] == ["Security Team"]


@on_both
async def test_who_acknowledges_and_does_nothing_loses_it_again(desk: Desk, policy: Policy) -> None:
    case = await Case(desk, "P1", policy).open()
    await case.ack()
    standing = await case.look()
    assert (await case.incident())["lapses"] == case.now + 30 * MINUTE
    await case.until(minutes=20)
    await case.steering.note("IR-1", case.desk.people["ana"], "looking at it", is_update=False)
    await case.until(minutes=29)
    assert (await case.incident())["owner"] == "ana"
    standing = await case.until(minutes=2)
    row = await case.incident()
    assert (row["owner"], row["acknowledged"], row["lapses"]) == (None, None, None)
    assert [audience for audience, _ in await case.told("lapsed/")] == ["ana", "Security Team"]
    clock = await case.clock(Clock.ACKNOWLEDGE)
    assert (clock["met"], clock["breached"]) == (None, None)
    assert clock["due"] == clock["started"] + 5 * MINUTE
    assert standing.next_strike is not None
    await case.until(minutes=5)
    assert (await case.clock(Clock.ACKNOWLEDGE))["breached"] is not None, "it climbs again"
    assert len(await desk.audited("lapsed")) == 1


async def test_a_decision_and_an_ended_lease_are_progress(p2: Case) -> None:
    await p2.ack()
    await p2.until(minutes=100)
    done = await p2.desk.do(p2.run, isolate())
    await p2.desk.decide(done.ask, approve=False)
    await p2.until(minutes=100)
    assert (await p2.incident())["owner"] == "ana"
    await p2.until(minutes=21)
    assert (await p2.incident())["owner"] is None


async def test_acknowledging_what_is_somebody_elses_names_them_and_the_way(p2: Case) -> None:
    await p2.ack("ana")
    await p2.ack("ana")
    assert len(await p2.desk.audited("acknowledged")) == 1
    with pytest.raises(Refused, match=r"IR-1 is ana's since 12:00:00 UTC.*incidents take IR-1"):
        await p2.ack("ben")
    assert await p2.steering.take("IR-1", p2.desk.people["ben"]) == "ana"
    assert (await p2.incident())["owner"] == "ben"
    assert await p2.told("taken/") == [("ana", "P2 IR-1: ben has taken it over from you")]


@on_both
async def test_a_higher_priority_plans_every_clock_from_the_start_and_strikes_what_is_past(
    desk: Desk, policy: Policy
) -> None:
    case = await Case(desk, "P3", policy).open()
    opened = case.now
    await case.until(minutes=20)
    await case.ack()
    await case.steering.reprioritise("IR-1", case.desk.people["ben"], Priority.P1, "it spreads")
    standing = await case.look()
    contain, resolve = await case.clock(Clock.CONTAIN), await case.clock(Clock.RESOLVE)
    assert contain["due"] == opened + 15 * MINUTE
    assert contain["breached"] == case.now, "struck at once"
    assert resolve["due"] == opened + timedelta(hours=4)
    assert (await case.clock(Clock.UPDATE))["due"] == case.now + 30 * MINUTE
    assert (await case.clock(Clock.ACKNOWLEDGE))["met"] is not None
    assert await case.told("remind/IR-1/contain/") == [], "reminders of the past are not said"
    paged = await case.told("priority/")
    assert [audience for audience, _ in paged] == ["Security Team", "ana"], "though it is ana's"
    assert paged[0][1] == "P1 IR-1: was P3, is P1 now: it spreads"
    assert standing.priority == 1
    assert (await case.incident())["chain"] == ["Security Team", "CISO"]
    with pytest.raises(Refused, match="IR-1 is P1 already"):
        await case.steering.reprioritise("IR-1", case.desk.people["ben"], Priority.P1, "again")


async def test_a_lower_priority_gives_more_time_and_forgets_no_breach(p1: Case) -> None:
    opened = p1.now
    await p1.until(minutes=6)
    await p1.steering.reprioritise("IR-1", p1.desk.people["ana"], Priority.P3, "one host only")
    await p1.look()
    acknowledge_ = await p1.clock(Clock.ACKNOWLEDGE)
    assert (acknowledge_["breached"], acknowledge_["due"]) == (opened + 5 * MINUTE,) * 2
    assert (await p1.clock(Clock.CONTAIN))["due"] == opened + timedelta(hours=4)
    assert (await p1.clock(Clock.UPDATE))["met"] is not None, "P3 owes no updates"
    assert [a for a, _ in await p1.told("priority/")] == ["Operations"]
    await p1.until(minutes=11)
    assert [a for a, _ in await p1.told("climb/")] == ["Operations"], (
        "the new chain, from its start"
    )


async def test_a_pause_moves_what_is_due_ends_by_itself_and_has_a_cap(p1: Case) -> None:
    ana, due = p1.desk.people["ana"], (await p1.clock(Clock.RESOLVE))["due"]
    until = await p1.steering.pause("IR-1", ana, Clock.RESOLVE, timedelta(hours=3), "vendor's turn")
    assert until == p1.now + timedelta(hours=3)
    assert (await p1.clock(Clock.RESOLVE))["due"] == due + timedelta(hours=3)
    standing = await p1.look()
    assert "paused until 15:00:00 UTC" in standing.board
    with pytest.raises(Refused, match="paused already until 15:00:00"):
        await p1.steering.pause("IR-1", ana, Clock.RESOLVE, MINUTE, "again")
    await p1.until(hours=4)
    assert await p1.told("remind/IR-1/resolve/") == [], "an hour of four is used"
    with pytest.raises(Refused, match="4:00:00 in all at P1, and 3:00:00 of that is used"):
        await p1.steering.pause("IR-1", ana, Clock.RESOLVE, timedelta(hours=2), "more")
    await p1.until(hours=1.1)
    assert len(await p1.told("remind/IR-1/resolve/0.5")) == 1
    [entry] = await p1.desk.audited("paused")
    assert entry.data["reason"] == "vendor's turn"
    shown = await _whole(p1)
    [resolve] = [c for c in shown["clocks"] if c["clock"] == "resolve"]
    assert resolve["pauses"][0]["by"] == "ana"


async def test_a_paused_clock_goes_on_when_somebody_says_so_and_what_was_not_used_is_left(
    p1: Case,
) -> None:
    ana, due = p1.desk.people["ana"], (await p1.clock(Clock.RESOLVE))["due"]
    with pytest.raises(Refused, match="the resolve clock is not paused; nothing was changed"):
        await p1.steering.resume("IR-1", ana, Clock.RESOLVE)
    await p1.steering.pause("IR-1", ana, Clock.RESOLVE, timedelta(hours=4), "vendor's turn")
    await p1.until(hours=1)
    again = await p1.steering.resume("IR-1", ana, Clock.RESOLVE)
    assert again == (await p1.clock(Clock.RESOLVE))["due"] == due + timedelta(hours=1)
    assert "paused until" not in (await p1.look()).board
    with pytest.raises(Refused, match="is not paused"):
        await p1.steering.resume("IR-1", ana, Clock.RESOLVE)
    with pytest.raises(Refused, match="and 1:00:00 of that is used"):
        await p1.steering.pause("IR-1", ana, Clock.RESOLVE, timedelta(hours=4), "more")
    await p1.steering.pause("IR-1", ana, Clock.RESOLVE, timedelta(hours=3), "the rest")
    assert (await p1.clock(Clock.RESOLVE))["due"] == due + timedelta(hours=4)
    [entry] = await p1.desk.audited("goes on")
    assert entry.data == {"due": again.isoformat()}


@pytest.mark.parametrize(
    ("which", "said"),
    [
        (Clock.CONTAIN, "the contain clock may not be paused at P1"),
        (Clock.APPROVE, "the approve clock does not run"),
    ],
)
async def test_some_clocks_are_never_paused(p1: Case, which: Clock, said: str) -> None:
    with pytest.raises(Refused, match=said):
        await p1.steering.pause("IR-1", p1.desk.people["ana"], which, MINUTE, "why not")
    with pytest.raises(Refused, match="expected a reason"):
        await p1.steering.pause("IR-1", p1.desk.people["ana"], Clock.RESOLVE, MINUTE, " ")
    with pytest.raises(Refused, match="expected some time to pause for"):
        await p1.steering.pause("IR-1", p1.desk.people["ana"], Clock.RESOLVE, -MINUTE, "back")
    assert await p1.desk.audited("paused") == []


async def test_an_ask_is_a_clock_that_is_met_when_decided_and_breached_when_it_expires(
    p2: Case,
) -> None:
    await p2.ack()
    done = await p2.desk.do(p2.run, isolate())
    standing = await p2.look()
    row = await p2.clock(Clock.APPROVE)
    assert row["due"] == p2.now + 30 * MINUTE
    assert "approve by" in standing.board
    await p2.until(minutes=20)
    assert [a for a, _ in await p2.told("remind/IR-1/approve/")] == ["approvers"]
    await p2.desk.decide(done.ask)
    standing = await p2.look()
    assert (await p2.clock(Clock.APPROVE))["met"] == p2.now
    assert "execute by" in standing.board
    other = await p2.desk.do(p2.run, isolate("web2"), step=2)
    assert other.ask is not None
    await p2.until(minutes=31)
    row = await p2.clock(Clock.APPROVE)
    assert (row["met"], row["breached"]) == (None, row["due"])
    assert len(await p2.told("expired/")) == 1
    assert (await p2.incident())["unanswered"] is None


async def test_an_update_that_is_missed_twice_at_p1_is_the_cisos_to_hear(p1: Case) -> None:
    await p1.ack()
    await p1.until(minutes=20)
    await p1.steering.note("IR-1", p1.desk.people["ana"], "on it", is_update=False)
    await p1.until(minutes=11)
    assert await p1.told("update/") == [("ana", "P1 IR-1: an update was due at 12:30:00 UTC")]
    assert await p1.told("updates/") == []
    await p1.steering.note("IR-1", p1.desk.people["ana"], "half done", is_update=True)
    row = await p1.clock(Clock.UPDATE)
    assert (row["due"], row["missed"]) == (p1.now + 30 * MINUTE, 0)
    for _ in range(4):
        await p1.until(minutes=15)
        await p1.steering.note("IR-1", p1.desk.people["ana"], "still at it", is_update=False)
    await p1.until(minutes=1)
    assert [a for a, _ in await p1.told("updates/")] == ["CISO"]
    assert [n["by"] for n in (await _whole(p1))["notes"]] == ["ana"] * 6
    assert not (await p1.clock(Clock.UPDATE))["breached"]


async def test_an_announcement_may_be_the_update_that_is_owed(p1: Case) -> None:
    await p1.until(minutes=10)
    for number, owed in enumerate((False, True), 1):
        said = Announcement(number=number, audience="security", subject="half done", update=owed)
        await p1.desk.run(p1.run, p1.desk.reporting().announce, said)
        await p1.look()
        expected = 40 if owed else 30
        opened = (await p1.incident())["opened"]
        assert (await p1.clock(Clock.UPDATE))["due"] == opened + expected * MINUTE


async def test_p3_owes_no_updates(desk: Desk, policy: Policy) -> None:
    case = await Case(desk, "P3", policy).open()
    assert await case.clock(Clock.UPDATE) is None
    await case.steering.note("IR-1", case.desk.people["ana"], "seen", is_update=True)
    assert await case.clock(Clock.UPDATE) is None


async def test_business_hours_stop_the_clock_over_a_weekend_and_a_holiday(desk: Desk) -> None:
    hours = WorkingHours(zone="Europe/Berlin", holidays=Holidays(country="DE"))
    targets = MATRIX[Priority.P3].model_copy(update={"hours": hours})
    policy = POLICY.model_copy(update={"sla": {**MATRIX, Priority.P3: targets}})
    desk.clock.now = datetime.fromisoformat("2026-04-02T15:00+00:00")  # before Good Friday
    case = await Case(desk, "P3", policy).open()
    # 17:00 in Berlin: nothing of four hours is used until Tuesday after Easter.
    assert (await case.clock(Clock.CONTAIN))["due"] == datetime.fromisoformat("2026-04-07T11:00Z")
    await case.until(days=4)
    assert await desk.messages("remind/") == []
    await case.until(hours=20)
    assert len(await desk.messages("breach/IR-1/contain")) == 1
    await case.until(days=2)
    loud = [m.made.astimezone(ZoneInfo("Europe/Berlin")) for m in await desk.messages() if m.loud]
    assert len(loud) > 10, "it climbs, and is unanswered"
    assert all(time(9) <= at.time() <= time(17) for at in loud), "and nobody is woken at night"


async def test_closing_meets_every_clock_and_nothing_is_struck_after_it(p1: Case) -> None:
    await p1.look()
    leasing, ana = p1.desk.leasing(), p1.desk.people["ana"]
    await close(p1.desk.store, leasing, "IR-1", ana, Resolution.RESOLVED)
    standing = await p1.look()
    assert standing.closed
    p1.desk.clock.advance(days=2)
    await p1.look()
    assert await p1.told("breach/") == []
    assert (await p1.incident())["next_strike"] is None


async def test_a_page_fits_a_screen_and_says_what_stands_and_what_is_wanted(p1: Case) -> None:
    await p1.desk.do(p1.run, block())
    await p1.desk.do(p1.run, isolate(), step=2)
    await p1.look()
    await p1.until(minutes=5)
    [message] = await p1.desk.messages("breach/IR-1/acknowledge")
    lines = message.body.splitlines()
    assert len(lines) <= 30
    assert max(map(len, lines)) <= 150
    for wanted in (
        "WHAT    Sign-ins fail", "SINCE   2026-03-04 12:00:00 UTC, 5 min ago; owner: nobody",
        "acknowledge  BREACHED", "contain      10 min left", "verified, reversible, until",
        "isolate web1", "responder approvals show", "Take it: responder incidents ack IR-1",
    ):  # fmt: skip
        assert wanted in message.body, f"{wanted!r} is not in\n{message.body}"


async def test_a_workflow_that_is_late_by_a_day_says_each_thing_once_and_no_storm(p1: Case) -> None:
    p1.desk.clock.advance(days=1)
    await p1.look()
    await p1.look()
    assert len(await p1.told("breach/")) == 3
    assert len(await p1.told("update/")) == 1
    assert await p1.told("climb/") == [], "the next level is told an interval after the first"


async def _whole(case: Case) -> Any:
    async with case.desk.store.reading() as tx:
        return await whole(tx, "IR-1", case.now)


async def test_clocks_written_before_there_were_pauses_go_on(desk: Desk, policy: Policy) -> None:
    case = Case(desk, "P2", policy)
    case.run = await desk.open_run(priority="P2")
    async with desk.store.transaction() as tx:
        await tx.execute(
            insert(clocks).values(
                incident="IR-1", clock="contain", started=case.now, due=case.now + 60 * MINUTE
            )
        )
    await case.until(minutes=30)
    assert len(await case.told("remind/IR-1/contain/0.5")) == 1
