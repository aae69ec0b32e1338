"""A step is begun once: not by two attempts at the same moment, nor because its row says that it was not."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from activities.isolate import Filter
from responder.errors import Refused
from responder.store.tables import holds, resources, steps
from responder.verbs.guarding import Guard
from tests.databases import on_both
from tests.verbs.desk import Desk, isolate

WEB1 = "isolate/web1/web1"


@on_both
async def test_an_attempt_that_comes_late_does_not_begin_the_step_anew(desk: Desk) -> None:
    """Its worker stood still, so Temporal gave the step to another: both saw it approved."""
    run = await desk.open_run()
    await desk.decide((await desk.do(run, isolate())).ask)
    web1, reached, go = desk.world.hosts["web1"], asyncio.Event(), asyncio.Event()

    async def stands_still() -> None:
        reached.set()
        await go.wait()

    web1.after_read.append(stands_still)
    late = asyncio.create_task(desk.do(run, isolate(), context=desk.worker("worker-2")))
    await reached.wait()
    first = await desk.do(run, isolate())
    desk.clock.advance(seconds=5)
    go.set()
    assert (await late).receipts[0].verified
    assert (await late).receipts[0].until == first.receipts[0].until
    assert len(await desk.audited("intent")) == 1
    assert await Guard(desk.context).once() == 0
    desk.clock.advance(hours=1)
    assert (await desk.lift(WEB1)).over
    assert web1.holds("web1") is Filter.OPEN


@on_both
@pytest.mark.parametrize("later", [timedelta(minutes=1), timedelta(days=2)])
@pytest.mark.parametrize("begun", ["as it was", "blanked"])
async def test_a_step_that_was_begun_is_not_begun_again_as_its_row_says_that_it_waits(
    desk: Desk, later: timedelta, begun: str
) -> None:
    """By who writes the store and resets the run in Temporal: one approval would hold it twice."""
    run, short = await desk.open_run(), isolate(minutes=5)
    await desk.decide((await desk.do(run, short)).ask)
    await desk.do(run, short)
    desk.clock.advance(minutes=5)
    await desk.lift(WEB1)
    web1 = desk.world.hosts["web1"]
    assert web1.holds("web1") is Filter.OPEN
    writes = len(web1.writes)
    blank = {"begun": None, "warrant": None} if begun == "blanked" else {}
    async with desk.store.transaction() as tx:
        await tx.execute(delete(holds))
        await tx.execute(delete(resources))
        await tx.execute(update(steps).values(state="asked", **blank))
    desk.clock.advance(seconds=later.total_seconds())
    with pytest.raises(Refused, match="it was begun before"):
        await desk.do(run, short)
    assert len(web1.writes) == writes
