import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update

from activities.isolate import Filter
from responder.approval.service import Verdict
from responder.errors import Drifted, Refused, Unreachable
from responder.people.person import Person, Role
from responder.plan import Plan
from responder.policy.availability import Asset
from responder.policy.tiers import TierRules
from responder.store.rows import insert_new
from responder.store.tables import decisions, settings_now, steps
from tests.databases import on_both
from tests.verbs.desk import ATTACKER, NEEDS, POLICY, Desk, Label, block, isolate
from tests.verbs.world import Point

WEB1 = "isolate/web1/web1"


@on_both
async def test_what_needs_a_person_waits_is_approved_and_is_then_done(desk: Desk) -> None:
    run = await desk.open_run()
    web1 = desk.world.hosts["web1"]

    waiting = await desk.do(run, isolate())
    assert waiting.ask is not None
    assert waiting.expires == desk.clock.now + timedelta(minutes=30)
    assert waiting.receipts == ()
    assert await desk.do(run, isolate()) == waiting  # asking again is the same ask
    assert web1.writes == []
    assert await desk.held() == []

    assert await desk.decide(waiting.ask) == "approved"
    desk.clock.advance(minutes=1)
    (receipt,) = (await desk.do(run, isolate())).receipts

    assert receipt.verified
    assert web1.holds("web1") is Filter.ISOLATED
    kinds = [e.kind for e in await desk.audited()]
    assert kinds == ["planned", "asked", "decided", "intent", "outcome"]
    assert [m.audience for m in await desk.messages("ask/")] == ["approvers"]


async def test_what_was_approved_is_done_once_however_often_it_is_tried(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)
    first = await desk.do(run, isolate())
    desk.clock.advance(minutes=50)  # beyond execute-by: a retry of what has begun still passes
    assert await desk.do(run, isolate()) == first
    assert len(desk.world.hosts["web1"].writes) == 1


async def test_a_t3_ask_has_a_number_that_the_message_does_not_tell(desk: Desk) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate("web1"), isolate("web2"))
    ask = await desk.ask(str(waiting.ask))
    assert ask.needs["number_match"] is True
    assert 10 <= ask.number <= 99
    with pytest.raises(Refused, match="approving it needs its number"):
        await desk.approvals().decide(
            ask.id, desk.people["ana"], Verdict(approve=True, digest=ask.digest), method="test"
        )
    [told] = await desk.messages(f"ask/{ask.id}")
    ends = f"{ask.expires:%H:%M:%S}"
    assert re.findall(r"\b\d\d\b", f"{told.subject} {told.body}".replace(ends, "")) == []
    [entry] = await desk.audited("asked")
    assert "number" not in entry.data


async def test_a_batch_is_one_ask_for_all_its_hosts(desk: Desk) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate("web1"), isolate("web2"))
    assert (await desk.ask(str(waiting.ask))).tier == "T3"
    assert await desk.decide(waiting.ask, "ana") == "open"
    assert (await desk.do(run, isolate("web1"), isolate("web2"))).ask == waiting.ask
    assert await desk.decide(waiting.ask, "ben") == "approved"
    done = await desk.do(run, isolate("web1"), isolate("web2"))
    assert [r.verified for r in done.receipts] == [True, True]


async def test_what_was_denied_is_refused_and_stays_so(desk: Desk) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate())
    assert await desk.decide(waiting.ask, approve=False) == "denied"
    for _ in range(2):
        with pytest.raises(Refused, match="is denied, not approved; nothing was changed"):
            await desk.do(run, isolate())
    assert desk.world.hosts["web1"].writes == []
    assert len(await desk.audited("refused")) == 1


@on_both
async def test_what_nobody_decides_in_time_is_refused_and_escalated(desk: Desk) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate())
    assert waiting.expires is not None
    desk.clock.now = waiting.expires

    for _ in range(2):
        with pytest.raises(Refused, match="nobody decided in time; nothing was changed"):
            await desk.do(run, isolate())

    assert (await desk.ask(str(waiting.ask))).state == "expired"
    (message,) = await desk.messages("expired/")
    assert (message.audience, message.loud) == ("escalation", True)
    assert len(await desk.audited("expired")) == 1
    with pytest.raises(Refused, match="is expired since"):
        await desk.decide(waiting.ask)


async def test_a_world_that_is_no_longer_what_was_approved_is_not_touched(desk: Desk) -> None:
    desk.policy = POLICY.model_copy(update={"tiers": TierRules(needs=NEEDS, alone_at=())})
    run = await desk.open_run()
    desk.tags.things["web1"] = ("in use", None)
    await desk.decide((await desk.do(run, Label(thing="web1", value="suspect"))).ask)
    desk.tags.things["web1"] = ("scrapped", None)

    for _ in range(2):
        with pytest.raises(Drifted, match="expected 'in use' but found 'scrapped'; nothing was"):
            await desk.do(run, Label(thing="web1", value="suspect"))

    assert desk.tags.writes == []
    assert await desk.held() == []
    assert len(await desk.audited("drifted")) == 1


async def test_a_world_that_is_already_as_wanted_is_no_drift(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)
    desk.world.hosts["web1"].things["web1"] = (Filter.ISOLATED, None)
    (receipt,) = (await desk.do(run, isolate())).receipts
    assert receipt.verified
    assert desk.world.hosts["web1"].writes == []


async def test_what_was_unknown_when_it_was_approved_may_be_done(desk: Desk) -> None:
    run = await desk.open_run()
    web1 = desk.world.hosts["web1"]
    web1.down = True
    await desk.decide((await desk.do(run, isolate())).ask)
    web1.down = False
    assert (await desk.do(run, isolate())).receipts[0].verified
    assert (await desk.row(WEB1)).base == "open"


@pytest.mark.parametrize("change", ["more", "fewer", "other"])
async def test_points_that_nobody_approved_are_not_touched(desk: Desk, change: str) -> None:
    """The configuration changed while people decided: where it is done is part of the plan."""
    run = await desk.open_run(networks=[])
    await desk.decide((await desk.do(run, block())).ask)
    if change != "fewer":
        desk.world.points["lon1"] = Point("lon1", desk.clock)
    if change != "more":
        del desk.world.points["ams1"]

    with pytest.raises(Drifted, match="nothing was changed"):
        await desk.do(run, block())

    assert not any(point.writes for point in desk.world.points.values())


async def test_policy_that_has_come_to_refuse_it_wins_over_the_approval(desk: Desk) -> None:
    run = await desk.open_run(networks=[])
    await desk.decide((await desk.do(run, block())).ask)
    mine = Asset(name="vpn", networks=POLICY.assets[0].networks)
    desk.policy = POLICY.model_copy(
        update={"assets": (mine.model_copy(update={"networks": (block().network,)}),)}
    )
    with pytest.raises(Refused, match=r"is ours \(vpn\)"):
        await desk.do(run, block())
    assert desk.fra.writes == []


async def test_what_has_become_more_dangerous_must_be_asked_again(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)
    assets = tuple(a.model_copy(update={"protected": True}) for a in POLICY.assets)
    desk.policy = POLICY.model_copy(update={"assets": assets})
    with pytest.raises(Refused, match="it is T3 now, and was approved as T2"):
        await desk.do(run, isolate())


async def test_an_approver_who_may_no_longer_decide_does_not_count(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)
    desk.people["ana"] = Person(name="ana", roles=(Role.OPERATOR,), active=False)
    with pytest.raises(Refused, match="0 of 1 people needed have approved"):
        await desk.do(run, isolate(), context=desk.worker("worker-2"))


async def test_after_execute_by_it_must_be_asked_again(desk: Desk) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate())
    await desk.decide(waiting.ask)
    execute_by = (await desk.ask(str(waiting.ask))).execute_by
    desk.clock.now = execute_by + timedelta(microseconds=1)
    with pytest.raises(Refused, match="execute-by has passed"):
        await desk.do(run, isolate())
    assert desk.world.hosts["web1"].writes == []


async def test_an_approval_written_into_the_store_by_hand_is_worth_nothing(desk: Desk) -> None:
    run = await desk.open_run()
    ask = await desk.ask(str((await desk.do(run, isolate())).ask))
    async with desk.store.transaction() as tx:
        document = {
            "ask": ask.id, "digest": ask.digest, "principal": "ben", "approve": True,
            "method": "test", "factors": ["test"], "issued": "2026-03-04T12:00:00Z",
            "expires": "2036-03-04T12:00:00Z", "nonce": "00", "policy": "", "reason": "",
        }  # fmt: skip
        row = {"ask": ask.id, "principal": "ben", "approve": True, "document": document,
               "signature": "00" * 64}  # fmt: skip
        await insert_new(tx, decisions, row)
        await tx.execute(text("UPDATE asks SET state = 'approved'"))
    with pytest.raises(Refused, match="not signed by the approval service"):
        await desk.do(run, isolate())
    assert desk.world.hosts["web1"].writes == []


async def test_an_ask_marked_approved_without_a_decision_is_worth_nothing(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.do(run, isolate())
    async with desk.store.transaction() as tx:
        await tx.execute(text("UPDATE asks SET state = 'approved'"))
    with pytest.raises(Refused, match="0 of 1 people needed"):
        await desk.do(run, isolate())


@pytest.mark.parametrize("what", ["plan", "plan and digest"])
async def test_a_plan_that_was_changed_after_its_approval_is_refused(desk: Desk, what: str) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate("web1"))
    await desk.decide(waiting.ask)
    key = f"{run}/1"
    plan = (await desk.step(key)).plan
    plan["changes"][0]["request"]["params"]["host"] = "db1"
    values: dict[str, object] = {"plan": plan}
    if what == "plan and digest":
        values["digest"] = Plan.model_validate(plan).digest
    async with desk.store.transaction() as tx:
        await tx.execute(update(steps).where(steps.c.key == key).values(values))

    with pytest.raises(Refused, match=r"changed after it was made|decided for another plan"):
        await desk.do(run, isolate("web1"))
    assert desk.world.hosts["db1"].writes == []


async def test_a_pause_during_the_last_look_at_the_world_still_stops_it(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)

    async def pause() -> None:
        async with desk.store.transaction() as tx:
            value = {"paused": True, "by": "ben", "reason": "a wrong rule"}
            row = {"name": "paused", "value": value, "changed": desk.clock.now}
            await insert_new(tx, settings_now, row)

    desk.world.hosts["web1"].after_read.append(pause)
    with pytest.raises(Unreachable, match="paused by ben"):
        await desk.do(run, isolate())
    assert desk.world.hosts["web1"].writes == []

    async with desk.store.transaction() as tx:
        await tx.execute(settings_now.delete())
    assert (await desk.do(run, isolate())).receipts[0].verified


async def test_a_forged_indicator_never_makes_the_runner_block_alone(desk: Desk) -> None:
    run = await desk.open_run(networks=["203.0.113.200"])
    waiting = await desk.do(run, block(ATTACKER))
    assert waiting.ask is not None
    assert "no alert of this incident names it" in (await desk.ask(waiting.ask)).plan["reason"]


async def test_the_digest_that_people_see_is_the_one_that_is_carried_out(desk: Desk) -> None:
    run = await desk.open_run()
    waiting = await desk.do(run, isolate())
    assert waiting.ask is not None
    with pytest.raises(Refused, match="look again"):
        await desk.approvals().decide(
            waiting.ask, desk.people["ana"], Verdict(approve=True, digest="0" * 12), method="test"
        )
    digest = (await desk.ask(waiting.ask)).digest
    verdict = Verdict(approve=True, digest=digest[:12])
    await desk.approvals().decide(waiting.ask, desk.people["ana"], verdict, method="test")
    (intent, *_) = [e for e in (await _audited_after(desk, run)) if e.kind == "intent"]
    assert intent.data["digest"] == digest


async def _audited_after(desk: Desk, run: str) -> list[Any]:
    await desk.do(run, isolate())
    return await desk.audited()
