"""Reports that are owed: begun by an explicit event, struck by the same look, done by a reference."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from responder.errors import Refused
from responder.handling import Resolution, close
from responder.nudge import Nudger
from responder.policy.duties import State
from responder.standing.duties import Report
from responder.standing.stand import stand
from responder.standing.whole import whole
from responder.steering import Steering
from tests.databases import on_both
from tests.verbs.desk import Desk

HOUR = timedelta(hours=1)


class Owed:
    """One incident whose reports are watched."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.steering = Steering(desk.store, desk.context.kinds, desk.policy)
        self.ana = desk.people["ana"]

    async def look(self) -> Any:
        async with self.desk.store.transaction() as tx:
            return await stand(
                tx, self.desk.context.kinds, self.desk.policy, "IR-1", self.desk.clock.now
            )

    async def stages(self) -> dict[str, Any]:
        async with self.desk.store.reading() as tx:
            found = await whole(tx, "IR-1", self.desk.clock.now)
        assert found is not None
        return {f"{one['regime']} {one['stage']}": one for one in found["duties"]}

    async def begin(self, regime: str, **moments: datetime) -> None:
        await self.steering.begin_duty("IR-1", self.ana, regime, **moments)

    async def done(self, regime: str, stage: str, at: datetime | None = None) -> None:
        report = Report(stage=stage, reference="CASE-7", at=at)
        await self.steering.report("IR-1", self.ana, regime, report)


@pytest.fixture
async def owed(desk: Desk) -> Owed:
    """An incident that was just opened."""
    await desk.open_run(priority="P2")
    return Owed(desk)


@on_both
async def test_a_report_is_reminded_of_breached_and_then_marked_as_done_late(desk: Desk) -> None:
    await desk.open_run(priority="P2")
    owed = Owed(desk)
    aware = desk.clock.now
    desk.clock.advance(hours=2)
    await owed.begin("gdpr", aware=aware)
    standing = await owed.look()
    assert standing.next_strike == aware + 36 * HOUR
    assert "gdpr notification by 2026-03-07 12:00 UTC" in standing.board
    for hours in (36, 57.6, 72):
        desk.clock.now = aware + timedelta(hours=hours)
        await owed.look()
    told = await desk.messages("duty/")
    assert [(m.audience, m.loud) for m in told] == [
        ("CISO", False),
        ("CISO", False),
        ("CISO", True),
    ]
    assert told[-1].subject.endswith("gdpr notification was NOT reported by 2026-03-07 12:00 UTC")
    assert "--done notification --reference" in told[-1].body
    row = (await owed.stages())["gdpr notification"]
    assert row["breached"] == (aware + 72 * HOUR).isoformat()
    desk.clock.advance(hours=1)
    await owed.done("gdpr", "notification")
    row = (await owed.stages())["gdpr notification"]
    assert (row["state"], row["reference"], row["done_by"]) == (State.DONE, "CASE-7", "ana")
    assert row["breached"] is not None, "done late is not done in time"
    [entry] = await desk.audited("reported")
    assert entry.data["late"] is True


async def test_dora_waits_for_its_classification_and_is_planned_anew_by_it(owed: Owed) -> None:
    aware = owed.desk.clock.now
    await owed.begin("dora", aware=aware)
    owed.desk.clock.now = aware + 24 * HOUR
    await owed.look()
    told = await owed.desk.messages("duty/")
    assert "nobody has classified it for dora" in told[-1].subject
    row = (await owed.stages())["dora initial"]
    assert (row["state"], row["breached"]) == (State.UNCLASSIFIED, None), "not major is not late"
    owed.desk.clock.now = aware + 30 * HOUR
    await owed.begin("dora", classified=owed.desk.clock.now)
    row = (await owed.stages())["dora initial"]
    assert row["due"] == (aware + 34 * HOUR).isoformat(), "four hours from a late classification"
    owed.desk.clock.now = aware + 31 * HOUR
    await owed.done("dora", "initial")
    stages = await owed.stages()
    assert stages["dora intermediate"]["state"] == State.RUNNING
    assert stages["dora intermediate"]["due"] == (aware + 103 * HOUR).isoformat()
    assert stages["dora final"]["state"] == State.PROJECTED


@pytest.mark.parametrize(
    ("regime", "moments", "said"),
    [
        ("sox", {"aware": 0}, "sox is no regime; there are dora, gdpr, nis2"),
        ("gdpr", {"aware": 1}, "begins with what has happened"),
        ("gdpr", {}, "say since when you are aware"),
        ("gdpr", {"aware": 0, "classified": 0}, "nothing in gdpr waits for a classification"),
        ("dora", {"aware": -1, "classified": -2}, "before anybody was aware"),
    ],
)
async def test_a_beginning_that_cannot_be_is_refused(
    owed: Owed, regime: str, moments: dict[str, int], said: str
) -> None:
    at = {name: owed.desk.clock.now + hours * HOUR for name, hours in moments.items()}
    with pytest.raises(Refused, match=said):
        await owed.begin(regime, **at)
    assert await owed.stages() == {}


async def test_a_report_that_cannot_have_been_made_is_refused(owed: Owed) -> None:
    now = owed.desk.clock.now
    with pytest.raises(Refused, match="it has none: it has not begun"):
        await owed.done("nis2", "final")
    await owed.begin("nis2", aware=now)
    with pytest.raises(Refused, match="no stage finale; it has early-warning, notification, final"):
        await owed.done("nis2", "finale")
    with pytest.raises(Refused, match="comes after a stage that is not reported yet"):
        await owed.done("nis2", "final")
    with pytest.raises(Refused, match="cannot have been reported at"):
        await owed.done("nis2", "notification", now + HOUR)
    report = Report(stage="notification", reference=" ")
    with pytest.raises(Refused, match="expected the reference"):
        await owed.steering.report("IR-1", owed.ana, "nis2", report)
    await owed.done("nis2", "notification")
    with pytest.raises(Refused, match="was reported already: CASE-7"):
        await owed.done("nis2", "notification")
    assert len(await owed.desk.audited("reported")) == 1


async def test_a_report_is_owed_after_the_incident_is_closed_and_the_nudger_says_so(
    owed: Owed,
) -> None:
    desk = owed.desk
    aware = desk.clock.now
    await owed.begin("nis2", aware=aware)
    await close(desk.store, desk.leasing(), "IR-1", owed.ana, Resolution.RESOLVED)
    await owed.look()
    desk.clock.now = aware + 24 * HOUR + timedelta(seconds=3)
    link: Any = desk.server
    nudger = Nudger(desk.store, link, desk.context.kinds, desk.policy)
    assert await nudger.strike() == 1
    assert await nudger.strike() == 0
    [breach] = [e for e in await desk.audited("breached") if "early-warning" in e.subject]
    assert breach.at == desk.clock.now
    await owed.done("nis2", "notification", desk.clock.now - HOUR)
    row = (await owed.stages())["nis2 final"]
    assert datetime.fromisoformat(row["due"]) == datetime(2026, 4, 5, 11, 0, 3, tzinfo=UTC)
