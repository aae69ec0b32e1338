"""Leases that people end and extend: what signed decisions do, and what rows alone do not."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, update

from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Proof
from responder.approval.service import Verdict
from responder.errors import Refused, Unreachable
from responder.handling import Resolution, close
from responder.lease_delivery import LeaseDelivery
from responder.policy.leases import LeaseKind
from responder.standing.lease_asks import came_of
from responder.store.tables import asks, decisions, holds, resources, steps
from responder.verbs.guarding import Guard
from responder.verbs.held import GRACE
from tests.databases import on_both
from tests.verbs.desk import ATTACKER, Desk, Label, block, isolate

FRA, AMS = f"block/fra1/{ATTACKER}", f"block/ams1/{ATTACKER}"
HOUR = timedelta(hours=1)


def extend(resource: str = FRA, **later: float) -> Wish:
    return Wish(kind=LeaseKind.EXTEND, resource=resource, lasts=timedelta(**later))


async def blocked(desk: Desk) -> str:
    """One address, blocked at both points for an hour; returns the run."""
    run = await desk.open_run()
    await desk.do(run, block())
    return run


async def protected_isolated(desk: Desk) -> str:
    """A protected host, isolated by two people's approval: T3; returns its resource."""
    run = await desk.open_run()
    asked = await desk.do(run, isolate("db1"))
    await desk.decide(asked.ask, "ana")
    await desk.decide(asked.ask, "ben")
    await desk.do(run, isolate("db1"))
    (held,) = await desk.held()
    assert (held.tier, desk.world.hosts["db1"].holds(held.resource, None)) is not None
    return str(held.resource)


async def forge(desk: Desk, *, of: str = FRA, **values: Any) -> None:
    """What a stranger with access to the store writes."""
    async with desk.store.transaction() as tx:
        await tx.execute(update(holds).where(holds.c.resource == of).values(**values))


async def hold_of(desk: Desk, resource: str = FRA) -> Any:
    (one,) = [row for row in await desk.held() if row.resource == resource]
    return one


async def alarms(desk: Desk) -> list[str]:
    return [entry.data["said"] for entry in await desk.audited("forged")]


def delivery(desk: Desk) -> LeaseDelivery:
    link: Any = desk.server
    return LeaseDelivery(desk.store, link, desk.leasing())


@on_both
async def test_a_person_ends_a_lease_and_it_is_undone_and_read_back(desk: Desk) -> None:
    await blocked(desk)
    ask = await desk.end(FRA)
    assert (ask["kind"], ask["tier"], ask["state"]) == ("end", "T1", "approved")
    await desk.lift(FRA)
    assert desk.fra.holds(ATTACKER) is False
    assert desk.ams.holds(ATTACKER) is True
    held = await hold_of(desk)
    assert (held.ended_by, held.lifted) == ("ana", desk.clock.now)
    assert await alarms(desk) == []
    async with desk.store.reading() as tx:
        (came,) = await came_of(tx, ask["id"])
    assert came["came"] == f"undone at {desk.clock.now:%H:%M:%S} UTC, and read back"


@on_both
async def test_a_person_extends_a_lease_and_the_point_itself_holds_it_as_long(desk: Desk) -> None:
    await blocked(desk)
    ends = desk.clock.now + HOUR
    ask = await desk.wish(extend(hours=2))
    assert (ask["kind"], ask["tier"], ask["state"]) == ("extend", "T1", "approved")
    found = await desk.lift(FRA)
    assert (found.over, found.until) == (False, ends + 2 * HOUR)
    assert desk.fra.until(ATTACKER) == ends + 2 * HOUR + GRACE
    assert desk.ams.until(ATTACKER) == ends + GRACE
    async with desk.store.reading() as tx:
        (came,) = await came_of(tx, ask["id"])
    assert came["came"].endswith("and read back")
    desk.clock.advance(hours=1, minutes=1)
    assert not (await desk.lift(FRA)).over
    assert (await desk.lift(AMS)).over
    desk.clock.advance(hours=2)
    assert (await desk.lift(FRA)).over
    assert await alarms(desk) == []


async def test_without_temporal_the_sweep_carries_an_extension_to_the_point(desk: Desk) -> None:
    await blocked(desk)
    await desk.wish(extend(hours=2))
    desk.clock.advance(seconds=3)
    await desk.sweep()
    assert desk.fra.until(ATTACKER) == (await hold_of(desk)).until + GRACE


@pytest.mark.parametrize("by", ["ana", "time", "done", "ben and ana"])
async def test_an_end_that_nobody_signed_is_put_back_and_nothing_is_undone(
    desk: Desk, by: str
) -> None:
    await blocked(desk)
    await forge(desk, ended=desk.clock.now, ended_by=by, lifted=desk.clock.now)
    found = await desk.lift(FRA)
    assert not found.over
    assert desk.fra.holds(ATTACKER) is True
    held = await hold_of(desk)
    assert (held.ended, held.ended_by, held.lifted) == (None, None, None)
    assert await alarms(desk) == [f"its row says that {by} ended it, and nobody signed that"]
    (told,) = await desk.messages("forged/")
    assert told.loud
    assert (await desk.row(FRA)).state == "held"


async def test_the_sweep_undoes_nothing_that_was_ended_by_a_row_alone(desk: Desk) -> None:
    await blocked(desk)
    await forge(desk, ended=desk.clock.now, ended_by="ana")
    for _ in range(10):
        desk.clock.advance(seconds=3)
        await desk.sweep()
    assert desk.fra.holds(ATTACKER) is True
    assert len(await alarms(desk)) == 1
    desk.clock.advance(hours=1)
    assert (await desk.lift(FRA)).over, "by its own time it ends as ever"
    assert desk.fra.holds(ATTACKER) is False


async def test_a_resource_that_a_row_says_is_being_undone_is_held_again(desk: Desk) -> None:
    await blocked(desk)
    async with desk.store.transaction() as tx:
        this = update(resources).where(resources.c.name == FRA)
        await tx.execute(this.values(state="lifting"))
    assert not (await desk.lift(FRA)).over
    assert (await desk.row(FRA)).state == "held"
    assert desk.fra.holds(ATTACKER) is True


@pytest.mark.parametrize("minutes", [-5, 5, 600, None])
async def test_an_until_that_nothing_carries_moves_no_timeout(
    desk: Desk, minutes: int | None
) -> None:
    await blocked(desk)
    kept = desk.fra.until(ATTACKER)
    ends = desk.clock.now + HOUR
    until = None if minutes is None else desk.clock.now + timedelta(minutes=minutes)
    await forge(desk, until=until)
    assert (await desk.lift(FRA)).until == ends
    assert desk.fra.until(ATTACKER) == kept
    assert (await hold_of(desk)).until == ends
    (said,) = await alarms(desk)
    assert f"it was decided until {ends:%Y-%m-%d %H:%M:%S} UTC" in said


async def test_the_guard_finds_forged_rows_where_no_lease_and_no_sweep_comes_by(desk: Desk) -> None:
    await blocked(desk)
    assert await Guard(desk.context).once() == 0
    await forge(desk, until=desk.clock.now + timedelta(days=30))
    assert await Guard(desk.context).once() == 1
    assert await Guard(desk.context).once() == 0
    assert len(await alarms(desk)) == 1
    assert (await hold_of(desk)).until == desk.clock.now + HOUR


async def test_an_extension_cannot_be_taken_away_by_a_row(desk: Desk) -> None:
    await blocked(desk)
    ends = desk.clock.now + HOUR
    await desk.wish(extend(hours=2))
    await forge(desk, until=ends)
    desk.clock.advance(minutes=90)
    assert (await desk.lift(FRA)).until == ends + 2 * HOUR
    assert desk.fra.holds(ATTACKER) is True


async def test_a_hold_that_no_plan_carries_reaches_no_point_and_undoes_nothing(desk: Desk) -> None:
    await blocked(desk)
    other = f"block/fra1/{'203.0.113.99'}"
    async with desk.store.transaction() as tx:
        row = dict(
            (await tx.execute(holds.select().where(holds.c.resource == FRA))).mappings().one()
        )
        where = dict(
            (await tx.execute(resources.select().where(resources.c.name == FRA))).mappings().one()
        )
        request = block("203.0.113.99").model_dump(mode="json")
        await tx.execute(
            insert(resources).values(**where | {"name": other, "next_try": desk.clock.now})
        )
        await tx.execute(
            insert(holds).values(
                **row | {"id": "x/0/fra1", "step": "x", "resource": other,
                         "request": {"kind": "Block", "params": request}}
            )
        )  # fmt: skip
    desk.clock.advance(seconds=3)
    await desk.sweep()
    assert desk.fra.holds("203.0.113.99") is False
    writes = len(desk.fra.writes)
    assert not (await desk.lift(other)).over
    assert len(desk.fra.writes) == writes
    assert "no plan that was begun carries it" in (await alarms(desk))[0]


async def test_a_plan_that_was_changed_after_it_was_ruled_on_carries_nothing(desk: Desk) -> None:
    run = await blocked(desk)
    async with desk.store.transaction() as tx:
        step = (await tx.execute(steps.select())).mappings().one()
        plan = step["plan"]
        plan["changes"][0]["lasts"] = "P30D"
        await tx.execute(update(steps).values(plan=plan, digest="0" * 64))
    await forge(desk, until=desk.clock.now + timedelta(days=30))
    await desk.lift(FRA)
    assert desk.fra.until(ATTACKER) == desk.clock.now + HOUR + GRACE
    assert any("no plan that was begun carries it" in said for said in await alarms(desk))
    assert run


@pytest.mark.parametrize(
    "forged", ["unsigned", "another digest", "another hold", "quorum", "denied", "not applied"]
)
async def test_an_end_whose_decision_does_not_hold_is_not_carried_out(
    desk: Desk, forged: str
) -> None:
    resource = await protected_isolated(desk)
    ask = await desk.end(resource)
    assert ask["state"] == "approved"
    of = decisions.c.ask == ask["id"]
    async with desk.store.transaction() as tx:
        subject = ask["subject"]
        match forged:
            case "unsigned":
                await tx.execute(update(decisions).where(of).values(signature="00" * 64))
            case "another digest":
                subject["tier"] = "T1"
                await tx.execute(update(asks).values(subject=subject))
            case "another hold":
                subject["holds"][0]["id"] = "IR-9/x/1/1/0/db1"
                await tx.execute(update(asks).values(subject=subject))
            case "quorum":
                await tx.execute(delete(decisions).where(of, decisions.c.principal == "ben"))
                needs = ask["needs"] | {"people": 1}
                await tx.execute(update(asks).values(needs=needs))
            case "denied":
                await tx.execute(update(asks).where(asks.c.id == ask["id"]).values(state="denied"))
            case "not applied":
                await tx.execute(update(asks).where(asks.c.id == ask["id"]).values(applied=None))
    before = len(desk.world.hosts["db1"].writes)
    assert not (await desk.lift(resource)).over
    assert len(desk.world.hosts["db1"].writes) == before
    assert len(await alarms(desk)) == 1
    assert (await hold_of(desk, resource)).ended is None


async def test_who_left_after_it_was_undone_does_not_bring_a_lease_back(desk: Desk) -> None:
    resource = await protected_isolated(desk)
    await desk.end(resource)
    await desk.lift(resource)
    assert (await hold_of(desk, resource)).lifted is not None
    run = await desk.open_run("IR-2")
    asked = await desk.do(run, isolate("db1", minutes=5))
    await desk.decide(asked.ask, "ana")
    await desk.decide(asked.ask, "ben")
    await desk.do(run, isolate("db1", minutes=5))
    desk.people.pop("ben")
    desk.context = desk.worker("worker-2")
    desk.clock.advance(minutes=6)
    assert (await desk.lift(resource)).over
    assert await alarms(desk) == []


async def test_what_is_t3_stays_until_a_second_person_has_approved_it(desk: Desk) -> None:
    resource = await protected_isolated(desk)
    ask = await desk.wish(Wish(resource=resource), and_by="")
    assert (ask["tier"], ask["state"], ask["applied"]) == ("T3", "open", None)
    assert not (await desk.lift(resource)).over
    with pytest.raises(Refused, match="waits for exactly this"):
        await desk.wish(Wish(resource=resource), "ben", and_by="")
    verdict = Verdict(approve=True, digest=ask["digest"], number=ask["number"])
    with pytest.raises(Refused, match="already decided"):
        await desk.approvals().decide(ask["id"], desk.people["ana"], verdict, method="test")
    await desk.approvals().decide(ask["id"], desk.people["ben"], verdict, method="test")
    # `serve` died here: nothing is written down yet, and the next one finds it.
    assert (await hold_of(desk, resource)).ended is None
    assert await delivery(desk).once() == 1
    assert await delivery(desk).once() == 0
    assert (resource, None) in desk.server.leases
    assert (await hold_of(desk, resource)).ended_by == "ana and ben"
    assert (await desk.lift(resource)).over
    assert len(await desk.audited("hold ended")) == 1


async def test_an_approval_that_is_written_down_too_late_does_nothing(desk: Desk) -> None:
    resource = await protected_isolated(desk)
    ask = await desk.wish(Wish(resource=resource), and_by="")
    verdict = Verdict(approve=True, digest=ask["digest"], number=ask["number"])
    await desk.approvals().decide(ask["id"], desk.people["ben"], verdict, method="test")
    desk.clock.advance(minutes=16)
    assert await delivery(desk).once() == 1
    assert (await desk.ask(ask["id"])).state == "expired"
    assert (await hold_of(desk, resource)).ended is None
    (told,) = await desk.messages("not applied/")
    assert "execute-by has passed" in told.body


async def test_an_ask_about_a_lease_that_nobody_decides_expires_and_is_escalated(
    desk: Desk,
) -> None:
    resource = await protected_isolated(desk)
    ask = await desk.wish(Wish(resource=resource), and_by="")
    desk.clock.advance(minutes=31)
    await delivery(desk).once()
    assert (await desk.ask(ask["id"])).state == "expired"
    assert len(await desk.messages(f"expired/{ask['id']}")) == 1
    assert (await hold_of(desk, resource)).ended is None


async def test_an_ask_that_a_row_says_is_approved_ends_nothing(desk: Desk) -> None:
    resource = await protected_isolated(desk)
    ask = await desk.wish(Wish(resource=resource), and_by="")
    async with desk.store.transaction() as tx:
        this = update(asks).where(asks.c.id == ask["id"])
        await tx.execute(this.values(state="approved", decided=desk.clock.now))
    await delivery(desk).once()
    assert (await hold_of(desk, resource)).ended is None
    (told,) = await desk.messages("not applied/")
    assert "1 of 2 people needed have approved" in told.body


async def test_an_extension_is_as_heavy_as_a_lease_of_that_length(desk: Desk) -> None:
    await blocked(desk)
    assert (await desk.wish(extend(hours=22)))["tier"] == "T1"
    assert (await desk.wish(extend(hours=2)))["tier"] == "T2"
    with pytest.raises(Refused, match="expected an end within 7 days from now"):
        await desk.wish(extend(days=7))
    with pytest.raises(Refused, match="expected an end later than"):
        await desk.wish(Wish(kind=LeaseKind.EXTEND, resource=FRA, until=desk.clock.now + HOUR))


async def test_nothing_live_is_refused_and_so_is_who_may_not_decide(desk: Desk) -> None:
    await blocked(desk)
    with pytest.raises(Refused, match=r"nothing live is held by block/fra1/192\.0\.2\.1"):
        await desk.end("block/fra1/192.0.2.1")
    with pytest.raises(Refused, match="vic may not decide asks"):
        await desk.end(FRA, "vic")
    assert (await hold_of(desk)).ended is None


async def test_a_false_positive_undoes_what_it_holds_newest_first(desk: Desk) -> None:
    run = await blocked(desk)
    desk.clock.advance(seconds=5)
    asked = await desk.do(run, isolate(), step=2)
    await desk.decide(asked.ask)
    await desk.do(run, isolate(), step=2)
    newest = next(row.resource for row in await desk.held() if row.kind == "Isolate")
    ask = await close(
        desk.store, desk.leasing(), "IR-1", desk.people["ana"], Resolution.FALSE_POSITIVE, Proof()
    )
    assert ask is not None
    assert (ask["state"], ask["tier"]) == ("approved", "T2")
    order = [hold["resource"] for hold in ask["subject"]["holds"]]
    assert order[0] == newest
    waits = await desk.lift(FRA)
    assert (waits.over, waits.until) == (False, desk.clock.now + timedelta(milliseconds=250))
    assert desk.fra.holds(ATTACKER) is True, "not before what came after it"
    for resource in order:
        await desk.lift(resource)
    assert desk.fra.holds(ATTACKER) is False
    async with desk.store.reading() as tx:
        came = await came_of(tx, ask["id"])
    assert [one["resource"] for one in came] == order
    assert all("undone at" in one["came"] for one in came)


async def test_nobody_waits_for_their_turn_behind_a_dead_point(desk: Desk) -> None:
    await blocked(desk)
    desk.fra.down = True
    ask = await close(
        desk.store, desk.leasing(), "IR-1", desk.people["ana"], Resolution.FALSE_POSITIVE
    )
    assert ask is not None
    assert [hold["resource"] for hold in ask["subject"]["holds"]] == [FRA, AMS]
    assert not (await desk.lift(AMS)).over
    with pytest.raises(Unreachable):
        await desk.lift(FRA)
    assert (await desk.lift(AMS)).over
    async with desk.store.reading() as tx:
        dead, living = await came_of(tx, ask["id"])
    assert (dead["settled"], living["settled"]) == (False, True)
    assert "not undone yet" in dead["came"]


async def test_what_another_incident_holds_is_named_and_stays(desk: Desk) -> None:
    await blocked(desk)
    await desk.do(await desk.open_run("IR-2"), block())
    ask = await close(
        desk.store, desk.leasing(), "IR-1", desk.people["ana"], Resolution.FALSE_POSITIVE
    )
    assert ask is not None
    for hold in ask["subject"]["holds"]:
        await desk.lift(hold["resource"])
    async with desk.store.reading() as tx:
        came = [one["came"] for one in await came_of(tx, ask["id"])]
    assert came == ["ended; IR-2 still holds it"] * 2


async def test_what_somebody_changed_meanwhile_is_named_and_not_trampled(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.do(run, Label(thing="door", value="shut"))
    (held,) = await desk.held()
    desk.tags.things["door"] = ("a colleague's", None)
    ask = await close(
        desk.store, desk.leasing(), "IR-1", desk.people["ana"], Resolution.FALSE_POSITIVE
    )
    assert ask is not None
    await desk.lift(held.resource)
    assert desk.tags.holds("door") == "a colleague's"
    async with desk.store.reading() as tx:
        (came,) = await came_of(tx, ask["id"])
    assert came["came"].startswith("ended, and left as found: expected 'shut' but found")


async def test_closing_a_t3_incident_as_a_false_positive_waits_for_the_second_person(
    desk: Desk,
) -> None:
    resource = await protected_isolated(desk)
    ask = await close(
        desk.store, desk.leasing(), "IR-1", desk.people["ana"], Resolution.FALSE_POSITIVE
    )
    assert ask is not None
    assert ask["state"] == "open"
    assert (await hold_of(desk, resource)).ended is None
    verdict = Verdict(approve=True, digest=ask["digest"], number=ask["number"])
    await desk.approvals().decide(ask["id"], desk.people["ben"], verdict, method="test")
    await delivery(desk).once()
    assert (await desk.lift(resource)).over
