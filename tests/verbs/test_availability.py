"""What must stay in service, by what is held in the store when somebody asks and when it is done."""

import pytest

from responder.errors import Refused
from responder.policy.availability import Asset, Quorum
from responder.store import Store
from tests.databases import ManualClock, on_both
from tests.verbs.desk import POLICY, Desk, isolate

pytestmark = pytest.mark.asyncio

HELD = "isolate/web1/web1"


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    """A world whose two web servers stand in for each other; db1 is a quorum alone."""
    assets = (
        Asset(name="web1", role="web"),
        Asset(name="web2", role="web"),
        Asset(name="db1", quorum=Quorum(group="orders", size=1)),
    )
    return Desk(store, clock, policy=POLICY.model_copy(update={"assets": assets}))


@on_both
async def test_the_second_of_two_is_refused_while_the_first_is_held(desk: Desk) -> None:
    run = await desk.open_run()
    asked = await desk.do(run, isolate("web1"))
    await desk.decide(asked.ask)
    await desk.do(run, isolate("web1"))
    with pytest.raises(Refused, match="web2 is the last healthy web of 2"):
        await desk.do(run, isolate("web2"), step=2)
    assert desk.world.hosts["web2"].writes == []


async def test_what_could_not_be_isolated_yet_counts_as_isolated(desk: Desk) -> None:
    run = await desk.open_run()
    desk.world.hosts["web1"].down = True
    asked = await desk.do(run, isolate("web1"))
    await desk.decide(asked.ask)
    await desk.do(run, isolate("web1"))
    assert (await desk.row(HELD)).outcome == "unknown"
    with pytest.raises(Refused, match="last healthy web"):
        await desk.do(run, isolate("web2"), step=2)


async def test_what_has_ended_is_healthy_again(desk: Desk) -> None:
    run = await desk.open_run()
    asked = await desk.do(run, isolate("web1"))
    await desk.decide(asked.ask)
    await desk.do(run, isolate("web1"))
    await desk.end(HELD)
    await desk.lift(HELD)
    assert (await desk.do(run, isolate("web2"), step=2)).ask


@on_both
async def test_of_two_that_were_approved_the_second_is_refused_when_it_would_begin(
    desk: Desk,
) -> None:
    """Both were asked for while both were healthy: policy is asked again before the first effect."""
    run = await desk.open_run()
    other = await desk.open_run("IR-2")
    first = await desk.do(run, isolate("web1"))
    second = await desk.do(other, isolate("web2"))
    await desk.decide(first.ask)
    await desk.decide(second.ask)
    await desk.do(run, isolate("web1"))
    with pytest.raises(Refused, match="web2 is the last healthy web of 2"):
        await desk.do(other, isolate("web2"))
    assert desk.world.hosts["web2"].writes == []


async def test_a_quorum_is_kept_whoever_approves(desk: Desk) -> None:
    run = await desk.open_run()
    with pytest.raises(Refused, match="db1 is in the quorum orders of 1: at most 0 may be missing"):
        await desk.do(run, isolate("db1"))
