import asyncio
import dataclasses
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from activities.block import Block
from responder.contract import Action, Request
from responder.errors import Refused, Unreachable
from responder.plan import Outcome
from responder.store.rows import insert_new
from responder.store.tables import settings_now
from responder.verbs import planning
from responder.verbs.doing import Doing
from responder.workflows.wire import Batch
from tests.databases import on_both
from tests.verbs.desk import ATTACKER, POLICY, Desk, block, isolate
from tests.verbs.world import Thing, unreachable

FRA, AMS = f"block/fra1/{ATTACKER}", f"block/ams1/{ATTACKER}"


@on_both
async def test_what_policy_allows_is_done_at_every_point_and_proved(desk: Desk) -> None:
    run = await desk.open_run()

    done = await desk.do(run, block())

    (receipt,) = done.receipts
    assert receipt.verified
    assert {p.point: p.outcome for p in receipt.points} == {
        "ams1": Outcome.VERIFIED, "fra1": Outcome.VERIFIED,
    }  # fmt: skip
    assert receipt.until is not None
    assert receipt.until == desk.clock.now + timedelta(hours=1)
    assert desk.fra.holds(ATTACKER)
    assert desk.ams.holds(ATTACKER)
    assert desk.fra.until(ATTACKER) == receipt.until + timedelta(seconds=20)
    assert {w.tag for w in desk.fra.writes} == {"IR-1"}
    assert sorted(desk.server.leases) == [(AMS, receipt.until), (FRA, receipt.until)]
    assert [e.kind for e in await desk.audited()] == ["planned", "intent", "outcome", "outcome"]


@on_both
async def test_a_retry_loads_its_plan_and_never_plans_or_writes_again(desk: Desk) -> None:
    run = await desk.open_run()
    first = await desk.do(run, block())
    desk.clock.advance(minutes=5)
    reads = desk.fra.reads

    second = await desk.do(run, block())

    assert second == first
    assert len(desk.fra.writes) == 1
    assert desk.fra.reads == reads
    assert len(await desk.held()) == 2
    assert len(await desk.audited("planned", "intent")) == 2


async def test_a_step_s_key_never_comes_to_mean_another_request(desk: Desk) -> None:
    run = await desk.open_run(networks=[ATTACKER, "203.0.113.8"])
    await desk.do(run, block())

    with pytest.raises(Refused, match=r"expected the request .* but found"):
        await desk.do(run, block("203.0.113.8"))

    assert not desk.fra.holds("203.0.113.8")


@on_both
async def test_a_lost_answer_to_a_write_is_still_one_write(desk: Desk) -> None:
    run = await desk.open_run()
    desk.fra.after_write.append(unreachable())

    first = await desk.do(run, block())
    assert {p.outcome for p in first.receipts[0].points} == {Outcome.UNKNOWN, Outcome.VERIFIED}
    desk.clock.advance(seconds=30)
    await desk.sweep()

    again = await desk.do(run, block())
    assert again.receipts[0].verified
    assert len(desk.fra.writes) == 1


@on_both
async def test_one_dead_point_does_not_stop_the_other_and_is_mended_by_the_sweep(
    desk: Desk,
) -> None:
    run = await desk.open_run()
    desk.ams.down = True

    (receipt,) = (await desk.do(run, block())).receipts

    assert not receipt.verified
    points = {p.point: p for p in receipt.points}
    assert points["fra1"].outcome is Outcome.VERIFIED
    assert points["ams1"].outcome is Outcome.UNKNOWN
    assert "connection refused" in points["ams1"].said

    desk.clock.advance(seconds=15)
    await desk.sweep()
    assert (await desk.row(AMS)).outcome == Outcome.UNKNOWN
    desk.ams.down = False
    desk.clock.advance(seconds=120)
    await desk.sweep()

    assert (await desk.row(AMS)).outcome == Outcome.VERIFIED
    assert desk.ams.holds(ATTACKER)
    assert desk.ams.until(ATTACKER) == desk.fra.until(ATTACKER)


async def test_a_point_that_refuses_at_once_is_unknown_after_patience_not_pending(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often it was tried in that time: what was seen is written down."""
    monkeypatch.setattr("responder.verbs.enforcing._BETWEEN_TRIES", 0.01)
    run = await desk.open_run()
    desk.ams.down = True
    patient = dataclasses.replace(desk.context, patience=timedelta(seconds=0.5))

    (receipt,) = (await desk.do(run, block(), context=patient)).receipts

    points = {p.point: p for p in receipt.points}
    assert (points["ams1"].outcome, points["ams1"].at) == (Outcome.UNKNOWN, desk.clock.now)


async def test_a_point_that_answers_within_patience_is_verified_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("responder.verbs.enforcing._BETWEEN_TRIES", 0.01)
    run = await desk.open_run()
    desk.ams.before_read.extend([unreachable()] * 4)
    patient = dataclasses.replace(desk.context, patience=timedelta(seconds=8))
    assert (await desk.do(run, block(), context=patient)).receipts[0].verified


async def test_unknown_is_not_absent_the_base_is_learned_before_the_first_write(desk: Desk) -> None:
    """A block of somebody else's that could not be seen at planning time survives ours."""
    run = await desk.open_run()
    desk.ams.things[ATTACKER] = (True, None)
    desk.ams.down = True
    await desk.do(run, block())
    assert not (await desk.row(AMS)).base_known

    desk.ams.down = False
    desk.clock.advance(seconds=30)
    await desk.sweep()
    row = await desk.row(AMS)
    assert (row.base_known, row.base, row.outcome) == (True, True, "verified")

    desk.clock.advance(hours=2)
    assert (await desk.lift(AMS)).over
    assert desk.ams.holds(ATTACKER)


async def test_a_point_that_lies_is_failed_never_verified(desk: Desk) -> None:
    run = await desk.open_run()
    desk.fra.lies = True

    (receipt,) = (await desk.do(run, block())).receipts

    outcome = {p.point: (p.outcome, p.said) for p in receipt.points}["fra1"]
    assert outcome[0] is Outcome.FAILED
    assert "wrote True" in outcome[1]
    assert "read back False" in outcome[1]


@pytest.mark.parametrize("when", ["before_read", "after_read", "before_write", "after_write"])
async def test_a_point_that_breaks_in_an_odd_way_does_not_stop_the_other(
    desk: Desk, when: str
) -> None:
    run = await desk.open_run()

    def odd() -> None:
        raise ValueError("no such table in the answer")

    getattr(desk.ams, when).extend([odd, odd, odd])

    (receipt,) = (await desk.do(run, block())).receipts

    points = {p.point: p for p in receipt.points}
    assert points["fra1"].outcome is Outcome.VERIFIED
    assert points["ams1"].outcome is Outcome.FAILED
    assert "ValueError: no such table" in points["ams1"].said


async def test_no_configured_point_is_a_failure_to_contain(desk: Desk) -> None:
    run = await desk.open_run()
    desk.world.points.clear()
    with pytest.raises(
        Refused, match="no enforcement point is configured for Block: not contained"
    ):
        await desk.do(run, block())


@on_both
async def test_what_may_never_be_done_is_refused_before_anybody_is_asked(desk: Desk) -> None:
    run = await desk.open_run(networks=["10.1.2.3"])

    for _ in range(2):
        with pytest.raises(Refused, match="internal networks"):
            await desk.do(run, block("10.1.2.3"))

    assert await desk.messages("ask/") == []
    assert await desk.held() == []
    assert [m.audience for m in await desk.messages("refused/")] == ["security"]
    assert len(await desk.audited("refused")) == 1


async def test_what_is_refused_of_a_batch_does_not_stop_the_rest_and_is_never_done(
    desk: Desk,
) -> None:
    run = await desk.open_run(networks=["10.1.2.3", ATTACKER])
    forbidden, allowed = (await desk.do(run, block("10.1.2.3"), block())).receipts
    assert not forbidden.verified
    assert "internal networks" in forbidden.refused
    assert allowed.verified
    assert desk.fra.things.keys() == {ATTACKER}
    assert len(await desk.messages("refused/")) == 1


async def test_while_the_runner_is_paused_nothing_new_is_done(desk: Desk) -> None:
    run = await desk.open_run()
    await pause(desk)
    with pytest.raises(Unreachable, match="paused by ben: a wrong rule; trying again"):
        await desk.do(run, block())
    assert desk.fra.writes == []
    assert await desk.held() == []

    await resume(desk)
    assert (await desk.do(run, block())).receipts[0].verified


async def test_a_pause_does_not_keep_anything_contained_longer(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.do(run, block())
    await pause(desk)
    desk.clock.advance(hours=1)
    assert (await desk.lift(FRA)).over
    assert not desk.fra.holds(ATTACKER)


@on_both
async def test_the_hour_s_budget_is_counted_over_all_incidents(desk: Desk) -> None:
    desk.policy = POLICY.model_copy(update={"budgets": {"Block": 2}})
    runs = [await desk.open_run(f"IR-{n}", networks=[f"203.0.113.{n}"]) for n in (1, 2, 3)]
    for n, run in enumerate(runs[:2], 1):
        await desk.do(run, block(f"203.0.113.{n}"))

    with pytest.raises(Refused, match="2 Block an hour are the budget"):
        await desk.do(runs[2], block("203.0.113.3"))

    desk.clock.advance(minutes=61)
    assert (await desk.do(runs[2], block("203.0.113.3"), step=2)).receipts[0].verified


async def test_two_equal_actions_of_one_batch_are_two_receipts_and_one_write(desk: Desk) -> None:
    run = await desk.open_run()
    done = await desk.do(run, block(hours=1), block(hours=2))
    assert [r.verified for r in done.receipts] == [True, True]
    assert desk.fra.until(ATTACKER) == desk.clock.now + timedelta(hours=2, seconds=20)
    assert len(desk.fra.writes) == 1


async def test_more_than_ten_actions_keep_their_order_in_the_receipts(desk: Desk) -> None:
    addresses = [f"203.0.113.{n}" for n in range(1, 13)]
    run = await desk.open_run(networks=addresses)
    done = await desk.do(run, *(block(a) for a in addresses))
    assert [r.summary for r in done.receipts] == [f"block {a}" for a in addresses]


async def test_a_batch_that_is_too_large_is_refused(desk: Desk) -> None:
    desk.policy = POLICY.model_copy(update={"largest_batch": 2})
    addresses = [f"203.0.113.{n}" for n in range(1, 4)]
    run = await desk.open_run(networks=addresses)
    with pytest.raises(Refused, match="at most 2 actions in one `do`, found 3"):
        await desk.do(run, *(block(a) for a in addresses))


async def test_an_unknown_action_or_bad_parameters_are_refused(desk: Desk) -> None:
    run = await desk.open_run()
    for request, said in (
        (Request(kind="Explode", params={}), r"Explode: no such action; known: .*\bBlock, "),
        (Request(kind="Block", params={"network": "203.0.113.7/24"}), "has host bits set"),
        (Request(kind="Block", params={"network": "203.0.113.7", "more": 1}), "more: Extra inputs"),
        (Request(kind="Block", params={"network": "203.0.113.7", "lasts": "-PT1H"}), "greater"),
    ):
        with pytest.raises(Refused, match=said):
            await desk.run(run, Doing(desk.context).do, Batch(step=1, actions=(request,)))
    assert await desk.held() == []


async def test_a_lease_that_ended_before_its_step_finished_proves_nothing(desk: Desk) -> None:
    """The worker died before its write and came back when all was over."""
    run = await desk.open_run()
    desk.fra.down = desk.ams.down = True
    await desk.do(run, block(minutes=1))
    desk.fra.down = desk.ams.down = False
    desk.clock.advance(minutes=2)
    assert (await desk.lift(FRA)).over
    assert (await desk.lift(AMS)).over

    (receipt,) = (await desk.do(run, block(minutes=1))).receipts

    assert desk.fra.writes == []
    assert not receipt.verified


@on_both
async def test_a_resource_that_is_being_undone_is_waited_for(desk: Desk) -> None:
    one, two = await desk.open_run("IR-1"), await desk.open_run("IR-2")
    await desk.do(one, block())
    desk.clock.advance(hours=1)
    desk.fra.before_write.append(unreachable())
    with pytest.raises(Unreachable):
        await desk.lift(FRA)  # it stays `lifting`

    doing = asyncio.create_task(desk.do(two, block()))
    await asyncio.sleep(0.3)
    assert not doing.done()
    desk.clock.advance(seconds=1)  # what was read before this is older than the undo
    await desk.lift(FRA)
    (receipt,) = (await doing).receipts

    assert receipt.verified
    assert desk.fra.holds(ATTACKER)
    assert (await desk.row(FRA)).base is False


async def pause(desk: Desk) -> None:
    """As `responder pause` does."""
    async with desk.store.transaction() as tx:
        value = {"paused": True, "by": "ben", "reason": "a wrong rule"}
        await insert_new(
            tx, settings_now, {"name": "paused", "value": value, "changed": desk.clock.now}
        )


async def resume(desk: Desk) -> None:
    """As `responder resume` does."""
    async with desk.store.transaction() as tx:
        await tx.execute(settings_now.delete())


async def test_a_point_that_takes_too_long_to_read_does_not_hold_up_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "_READ_WITHIN", 0.05)
    run = await desk.open_run()

    async def never() -> None:
        await asyncio.Event().wait()

    desk.ams.before_read.append(never)
    (receipt,) = (await desk.do(run, block())).receipts
    assert receipt.verified
    planned = (await desk.step(f"{run}/1")).plan["changes"][0]["points"]
    assert [(p["point"], p["known"]) for p in planned] == [("fra1", True), ("ams1", False)]


async def test_a_host_that_is_not_what_the_settings_say_is_refused_before_anybody_is_asked(
    desk: Desk,
) -> None:
    run = await desk.open_run()

    def says_no() -> None:
        raise Refused("i-0abc has 198.51.100.77 now, expected 198.51.100.10")

    desk.world.hosts["web1"].before_read.append(says_no)
    with pytest.raises(Refused, match=r"i-0abc has 198\.51\.100\.77 now"):
        await desk.do(run, isolate())
    assert await desk.messages("ask/") == []
    assert desk.world.hosts["web1"].writes == []


async def test_one_point_that_cannot_block_is_one_point_less(desk: Desk) -> None:
    run = await desk.open_run()

    def says_no() -> None:
        raise Refused("the set is full")

    desk.ams.before_read.append(says_no)
    desk.ams.lies = True
    (receipt,) = (await desk.do(run, block())).receipts
    assert {p.point: p.outcome for p in receipt.points} == {
        "fra1": Outcome.VERIFIED,
        "ams1": Outcome.FAILED,
    }


async def test_an_action_that_cannot_be_resolved_does_not_stop_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await desk.open_run()
    resolve = desk.world.resolve

    def resolving(action: Action[Any]) -> Mapping[str, Thing]:
        if isinstance(action, Block) and "203.0.113.9" in str(action):
            raise Refused("203.0.113.9: its provider is gone")
        return resolve(action)

    monkeypatch.setattr(desk.world, "resolve", resolving)
    good, bad = (await desk.do(run, block(), block("203.0.113.9"))).receipts
    assert good.verified
    assert bad.refused == "203.0.113.9: its provider is gone"
