"""Whoever can write any row, and has no key: nothing is done on the strength of it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter
from sqlalchemy import delete, insert, select, update

from responder.approval.decision import Decision
from responder.approval.revoking import Revocation, revoke
from responder.contract import Request
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.plan import Plan
from responder.store.tables import asks, decisions, holds, resources, steps
from responder.verbs.guarding import Guard
from responder.verbs.warrants import Warrants
from tests.databases import on_both
from tests.verbs.desk import ATTACKER, Desk, Label, block, isolate

FRA, AMS = f"block/fra1/{ATTACKER}", f"block/ams1/{ATTACKER}"
OTHER = "203.0.113.99"
Row = dict[str, Any]


async def rows(desk: Desk, table: Any, *where: Any) -> list[Row]:
    async with desk.store.reading() as tx:
        return [dict(row) for row in (await tx.execute(select(table).where(*where))).mappings()]


async def write(desk: Desk, *statements: Any) -> None:
    async with desk.store.transaction() as tx:
        for statement in statements:
            await tx.execute(statement)


async def everything_comes_by(desk: Desk, *names: str) -> None:
    """Whatever acts on rows without being asked: the sweep, the leases, the guard; for two minutes."""
    for _ in range(4):
        desk.clock.advance(seconds=35)
        await desk.sweep()
        await Guard(desk.context).once()
        for name in names:
            await desk.lift(name)


async def alarms(desk: Desk) -> list[str]:
    return [entry.data["said"] for entry in await desk.audited("forged")]


async def told(desk: Desk) -> list[str]:
    return [m.subject for m in await desk.messages("forged/") if m.loud]


# A plan that people were only asked about


async def _no_warrant(desk: Desk, key: str) -> bytes | None:
    return None


async def _of_another_ring(desk: Desk, key: str) -> bytes:
    (step,) = await rows(desk, steps, steps.c.key == key)
    return Warrants(KeyRing.fresh()).step(key, step["digest"], desk.clock.now, [0])


async def _of_another_step(desk: Desk, key: str) -> bytes:
    run = await desk.open_run("IR-7", networks=("203.0.113.77",))
    await desk.do(run, block("203.0.113.77"))
    (step,) = await rows(desk, steps, steps.c.key == f"{run}/1")
    return bytes(step["warrant"])


async def _of_a_base(desk: Desk, key: str) -> bytes:
    run = await desk.open_run("IR-7", networks=("203.0.113.77",))
    await desk.do(run, block("203.0.113.77"))
    (row, *_) = await rows(desk, resources, resources.c.name.like("block/fra1/%"))
    return bytes(row["base_seal"])


async def _noise(desk: Desk, key: str) -> bytes:
    return b"\x12" + b"k-20260101-abcdef" + bytes(60)


Seal = Callable[[Desk, str], Awaitable[bytes | None]]


@on_both
@pytest.mark.parametrize(
    "seal", [_no_warrant, _of_another_ring, _of_another_step, _of_a_base, _noise]
)
async def test_a_plan_that_was_only_asked_about_is_not_carried_out(desk: Desk, seal: Seal) -> None:
    run = await desk.open_run()
    asked = await desk.do(run, isolate())
    key, name = f"{run}/1", "isolate/web1/web1"
    (step,) = await rows(desk, steps, steps.c.key == key)
    (change,) = Plan.model_validate(step["plan"]).changes
    (point,) = change.points
    name, now = point.resource, desk.clock.now
    sealed = await seal(desk, key)
    base = {"base": point.before, "base_known": True, "base_expires": None, "base_record": None}
    forged = desk.context.warrants.base(name, point.point, base)  # more than any stranger has
    await write(
        desk,
        update(steps).where(steps.c.key == key).values(state="carrying", begun=now, warrant=sealed),
        update(asks).where(asks.c.id == asked.ask).values(state="approved", decided=now),
        insert(resources).values(
            name=name, point=point.point, state="held", outcome="pending", next_try=now,
            checked=now - timedelta(hours=1), base_seal=forged, **base
        ),
        insert(holds).values(
            id=f"{key}/0/{point.point}", resource=name, step=key, incident="IR-1", run=run,
            kind=change.request.kind, request=change.request.model_dump(mode="json"),
            summary=change.summary, tier=change.tier, taken=now, until=now + timedelta(hours=1),
        ),
    )  # fmt: skip
    await everything_comes_by(desk, name)
    receipt = await desk.do(run, isolate())  # the run's own retry
    assert not desk.world.hosts["web1"].writes
    assert not receipt.receipts[0].verified
    why = "which worker-1 does not have" if seal is _of_another_ring else "no plan that was begun"
    assert any(why in said for said in await alarms(desk))
    assert await told(desk)


# What is held by a good ruling


async def _another_request(desk: Desk, hold: Row) -> Row:
    return {"request": Request.of(block(OTHER)).model_dump(mode="json")}


async def _another_resource(desk: Desk, hold: Row) -> Row:
    (row,) = await rows(desk, resources, resources.c.name == FRA)
    name = f"block/fra1/{OTHER}"
    await write(desk, insert(resources).values(row | {"name": name}))
    return {"resource": name}


async def _begun_later(desk: Desk, hold: Row) -> Row:
    later = desk.clock.now + timedelta(hours=5)
    await write(desk, update(steps).values(begun=later))
    return {"taken": later, "until": later + timedelta(hours=1)}


@on_both
@pytest.mark.parametrize("change", [_another_request, _another_resource, _begun_later])
async def test_a_hold_that_says_other_than_its_plan_is_nobodys(
    desk: Desk, change: Callable[[Desk, Row], Awaitable[Row]]
) -> None:
    run = await desk.open_run(networks=(ATTACKER, OTHER))
    await desk.do(run, block())
    (hold,) = await rows(desk, holds, holds.c.resource == FRA)
    writes = len(desk.fra.writes)
    values = await change(desk, hold)
    await write(desk, update(holds).where(holds.c.id == hold["id"]).values(values))
    await everything_comes_by(desk, FRA, f"block/fra1/{OTHER}")
    assert desk.fra.holds(OTHER) is False
    assert len(desk.fra.writes) == writes
    assert any("no plan that was begun carries it" in said for said in await alarms(desk))


async def test_what_policy_refused_is_not_done_because_its_row_says_allowed(desk: Desk) -> None:
    run = await desk.open_run(networks=("10.1.2.3", ATTACKER))
    await desk.do(run, block(), block("10.1.2.3"))  # ours: it is refused, the rest is done
    (step,) = await rows(desk, steps)
    (hold,) = await rows(desk, holds, holds.c.resource == FRA)
    (row,) = await rows(desk, resources, resources.c.name == FRA)
    plan = step["plan"]
    assert [one["ruling"] for one in plan["changes"]] == ["allow", "refuse"]
    refused = plan["changes"][1]
    refused["ruling"] = "allow"  # not in the digest: people do not approve it, policy says it
    name = "block/fra1/10.1.2.3"
    base = {column: row[column] for column in ("base", "base_known", "base_expires", "base_record")}
    sealed = desk.context.warrants.base(name, "fra1", base)
    await write(
        desk,
        update(steps).values(plan=plan),
        insert(resources).values(row | {"name": name, "base_seal": sealed, "outcome": "pending"}),
        insert(holds).values(
            hold | {"id": f"{run}/1/1/fra1", "resource": name, "request": refused["request"]}
        ),
    )
    await everything_comes_by(desk, name)
    assert desk.fra.holds("10.1.2.3") is False


# What was there before


@on_both
@pytest.mark.parametrize(
    "values",
    [
        pytest.param({"base": "theirs"}, id="another base"),
        pytest.param({"base_known": False, "base": None}, id="a base to be read anew"),
        pytest.param({"base_record": {"id": 7}}, id="another record"),
        pytest.param({"base_seal": None}, id="no seal"),
    ],
)
async def test_nothing_is_put_back_to_what_nobody_read(desk: Desk, values: Row) -> None:
    desk.tags.things["crown"] = ("ours", None)
    run = await desk.open_run()
    label = Label(thing="crown", value="contained")
    await desk.do(run, label)
    (row,) = await rows(desk, resources)
    writes = len(desk.tags.writes)
    await write(desk, update(resources).values(values))
    await everything_comes_by(desk, row["name"])
    assert any("is not what a worker read" in said for said in await alarms(desk))
    desk.clock.advance(hours=1)
    await desk.lift(row["name"])
    assert len(desk.tags.writes) == writes
    (after,) = await rows(desk, resources)
    assert after["state"] == "disputed"
    assert "put it back by hand" in after["said"]


# Approvals


async def test_an_approval_that_was_taken_back_stays_so_whatever_its_row_says(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate())).ask
    assert ask is not None
    await desk.decide(ask)
    await revoke(desk.store, ask, desk.people["ana"], Revocation(reason="the wrong host"))
    await write(desk, update(asks).values(state="approved"), update(decisions).values(revoked=None))
    with pytest.raises(Refused, match="0 of 1 people needed have approved"):
        await desk.do(run, isolate())
    assert not desk.world.hosts["web1"].writes


async def test_a_decision_after_one_was_taken_back_counts(desk: Desk) -> None:
    run = await desk.open_run()
    ask = (await desk.do(run, isolate())).ask
    assert ask is not None
    await desk.decide(ask)
    (good,) = await rows(desk, decisions)
    await revoke(desk.store, ask, desk.people["ana"], Revocation(reason="not yet"))
    desk.clock.advance(seconds=1)
    again = Decision.model_validate(good["document"]).model_copy(update={"issued": desk.clock.now})
    signed = {"document": again.document, "signature": desk.signer.sign(again.document)}
    await write(
        desk,
        update(asks).values(state="approved"),
        update(decisions).values(revoked=None, **signed),
    )
    assert (await desk.do(run, isolate())).receipts[0].verified


async def test_execute_by_is_not_put_off_by_a_row_that_says_begun(desk: Desk) -> None:
    run = await desk.open_run()
    asked = await desk.do(run, isolate())
    await desk.decide(asked.ask)
    await write(desk, update(steps).values(begun=desk.clock.now))
    desk.clock.advance(hours=2)
    with pytest.raises(Refused, match="execute-by has passed"):
        await desk.do(run, isolate())
    assert not desk.world.hosts["web1"].writes


def test_a_warrant_is_for_its_step_plan_time_and_changes_alone(clock: Any) -> None:
    warrants, now = Warrants(KeyRing.fresh()), clock.now
    sealed = warrants.step("IR-1/x/1/1", "a" * 64, now, [2, 0])
    assert warrants.carried("IR-1/x/1/1", "a" * 64, now, sealed) == {0, 2}
    for key, digest, begun in (
        ("IR-1/x/1/2", "a" * 64, now),
        ("IR-1/x/1/1", "b" * 64, now),
        ("IR-1/x/1/1", "a" * 64, now + timedelta(microseconds=1)),
        ("IR-1/x/1/1", "a" * 64, None),
    ):
        assert not warrants.carried(key, digest, begun, sealed)
    for at in range(len(sealed)):
        turned = bytes([*sealed[:at], sealed[at] ^ 1, *sealed[at + 1 :]])
        assert not warrants.carried("IR-1/x/1/1", "a" * 64, now, turned)


@pytest.mark.parametrize("base", [1.0, 0.1, [], {"b": [1, {"a": None}]}, "text", True, -0.0])
def test_a_base_reads_back_as_it_was_sealed_whatever_its_kind(clock: Any, base: Any) -> None:
    warrants = Warrants(KeyRing.fresh())
    row = {
        "name": "n", "point": "p", "base": base, "base_known": True, "base_expires": clock.now,
        "base_record": {"id": 1.0},
    }  # fmt: skip
    kept = TypeAdapter(Any).validate_json(TypeAdapter(Any).dump_json(row["base"]))
    sealed = warrants.base("n", "p", row)
    assert warrants.base_holds({**row, "base": kept, "base_seal": sealed})
    assert not warrants.base_holds({**row, "base": "other", "base_seal": sealed})
    assert not warrants.base_holds({**row, "name": "m", "base_seal": sealed})


# What is hidden


@on_both
@pytest.mark.parametrize("state", ["clear", "disputed", "settled", "no such state"])
async def test_what_is_held_is_undone_in_time_though_its_row_says_that_it_was(
    desk: Desk, state: str
) -> None:
    desk.tags.things["crown"] = ("ours", None)
    await desk.do(await desk.open_run(), Label(thing="crown", value="contained"))
    (row,) = await rows(desk, resources)
    await write(desk, update(resources).values(state=state))
    await everything_comes_by(desk, row["name"])
    assert any(f"its row says {state}, and it is held" in said for said in await alarms(desk))
    assert await told(desk)
    desk.clock.advance(hours=1)
    await desk.sweep()
    assert desk.tags.holds("crown") == "ours"


@on_both
@pytest.mark.parametrize("also", [{}, {"state": "lifting"}])
async def test_what_is_held_and_whose_holds_are_gone_is_told(desk: Desk, also: Row) -> None:
    desk.tags.things["crown"] = ("ours", None)
    await desk.do(await desk.open_run(), Label(thing="crown", value="contained"))
    assert await Guard(desk.context).once() == 0
    await write(desk, delete(holds), update(resources).values({"said": "", **also}))
    assert await Guard(desk.context).once() == 1
    assert any("no hold's row is there" in said for said in await alarms(desk))
    assert await told(desk)
    assert len(desk.tags.writes) == 1
