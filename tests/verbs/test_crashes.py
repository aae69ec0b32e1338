"""A worker that dies at any moment, and another one that goes on: one effect, one true record."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from responder.errors import ActionError
from tests.verbs.desk import ATTACKER, Desk, block, isolate
from tests.verbs.world import Crash, Hook, Point, crash, die, unreachable

FRA = f"block/fra1/{ATTACKER}"
_MOMENTS = ("before_read", "after_read", "before_write", "after_write")
_WAYS: dict[str, Callable[[], Hook]] = {"crash": lambda: crash, "silence": unreachable}


def _fail(point: Point, moment: str, turn: int, way: str) -> None:
    """Fail at the *turn*th time of this moment."""
    getattr(point, moment).extend([*(lambda: None for _ in range(turn)), _WAYS[way]()])


async def _until_done(desk: Desk, run: str, *, by: str) -> None:
    """Temporal's retries, and the sweep, until every point is verified."""
    worker = desk.worker(by)
    for _ in range(6):
        done = await desk.do(run, block(), context=worker)
        if all(receipt.verified for receipt in done.receipts):
            return
        desk.clock.advance(seconds=70)
        await desk.sweep()
    raise AssertionError("not verified after six tries")


async def _try(what: Awaitable[object]) -> None:
    try:
        await what
    except ActionError:
        pass
    except Crash:
        await die()


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("moment", _MOMENTS)
async def test_a_worker_lost_while_doing_leaves_exactly_one_effect(
    desk: Desk, moment: str, turn: int, way: str
) -> None:
    run = await desk.open_run()
    _fail(desk.fra, moment, turn, way)

    await _try(desk.do(run, block()))
    await _until_done(desk, run, by="worker-2")

    assert desk.fra.holds(ATTACKER)
    assert len(desk.fra.writes) == len(desk.ams.writes) == 1
    assert len(await desk.held()) == 2
    assert len(await desk.audited("intent")) == 1
    kinds = [e.kind for e in await desk.audited("intent", "outcome")]
    assert kinds[0] == "intent"
    assert "outcome" in kinds


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("turn", [0, 1])
@pytest.mark.parametrize("moment", _MOMENTS)
async def test_a_worker_lost_while_undoing_leaves_the_world_as_it_was(
    desk: Desk, moment: str, turn: int, way: str
) -> None:
    run = await desk.open_run()
    await desk.do(run, block())
    desk.clock.advance(hours=1)
    _fail(desk.fra, moment, turn, way)

    await _try(desk.lift(FRA))
    for _ in range(12):
        looked = await desk.lift(FRA, desk.worker("worker-2"))
        if looked.over:
            break
        desk.clock.advance(seconds=5)  # as the lease waits for a claim to run out

    assert not desk.fra.holds(ATTACKER)
    assert [w.state for w in desk.fra.writes] == [True, False]
    kinds = [e.kind for e in await desk.audited() if e.subject == FRA]
    assert kinds == ["outcome", "undo", "undone"]
    assert (await desk.row(FRA)).state == "clear"


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("moment", _MOMENTS)
async def test_a_worker_lost_while_mending_drift_leaves_it_mended(
    desk: Desk, moment: str, way: str
) -> None:
    run = await desk.open_run()
    await desk.do(run, block())
    del desk.fra.things[ATTACKER]
    desk.clock.advance(seconds=61)
    _fail(desk.fra, moment, 0, way)

    await _try(desk.sweep())
    for _ in range(3):
        desk.clock.advance(seconds=61)
        await desk.sweep()

    assert desk.fra.holds(ATTACKER)
    assert len(desk.fra.writes) == 2
    assert (await desk.row(FRA)).outcome == "verified"
    assert await desk.fault() is None


@pytest.mark.parametrize("moment", _MOMENTS)
async def test_a_worker_lost_after_the_approval_does_what_was_approved_once(
    desk: Desk, moment: str
) -> None:
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)
    web1 = desk.world.hosts["web1"]
    _fail(web1, moment, 0, "crash")

    await _try(desk.do(run, isolate()))
    desk.clock.advance(seconds=30)
    (receipt,) = (await desk.do(run, isolate(), context=desk.worker("worker-2"))).receipts

    assert receipt.verified
    assert len(web1.writes) == 1
    assert len(await desk.audited("intent")) == 1


async def test_a_lease_is_asked_for_again_when_its_worker_died_before_it_was(desk: Desk) -> None:
    run = await desk.open_run()
    lease, desk.server.lease = desk.server.lease, _dies  # type: ignore[method-assign]
    await _try(desk.do(run, block()))
    desk.server.lease = lease  # type: ignore[method-assign]

    await desk.do(run, block(), context=desk.worker("worker-2"))

    assert {name for name, _ in desk.server.leases} == {FRA, FRA.replace("fra1", "ams1")}


async def _dies(resource: str, until: object, *, new: bool) -> None:
    raise Crash


async def test_a_hold_never_outlives_its_end_by_more_than_the_point_s_own_grace(desk: Desk) -> None:
    """Everything of ours is dead from the write on: the point itself ends it."""
    run = await desk.open_run()
    desk.fra.after_write.append(crash)
    await _try(desk.do(run, block(hours=1)))
    assert desk.fra.holds(ATTACKER)
    desk.clock.advance(hours=1)
    desk.clock.now += timedelta(seconds=60)
    assert not desk.fra.holds(ATTACKER)
