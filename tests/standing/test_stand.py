"""One look at an incident whose containment begins, and ends."""

from datetime import timedelta

from responder.standing.stand import stand
from responder.workflows.wire import Nothing, Standing
from tests.verbs.desk import ATTACKER, Desk, block

POINTS = [f"block/{point}/{ATTACKER}" for point in ("fra1", "ams1")]


async def look(desk: Desk) -> Standing:
    """Where the incident stands now."""
    async with desk.store.transaction() as tx:
        found = await stand(tx, desk.context.kinds, desk.policy, "IR-1", desk.clock.now)
    assert found is not None
    return found


async def contained(desk: Desk) -> Standing:
    """An incident whose one run has blocked its attacker for an hour."""
    run = await desk.open_run()
    await desk.do(run, block())
    await desk.run(run, desk.reporting().contained, Nothing())
    return await look(desk)


async def test_an_incident_looks_again_when_a_lease_ends_and_is_released_then(desk: Desk) -> None:
    standing = await contained(desk)
    assert standing.status == "contained"
    ends = desk.clock.now + timedelta(hours=1)
    assert standing.next_strike == ends
    assert standing.next_strike_summary == f"a lease ends at {ends:%H:%M:%S} UTC"
    desk.clock.advance(hours=1)
    released = await look(desk)
    assert released.status == "released", "before anybody has undone it, or could"
    assert "ended by time at" in released.board
    assert "being undone" in released.board
    for resource in POINTS:
        await desk.lift(resource)
    released = await look(desk)
    assert released.status == "released"
    assert "being undone" not in released.board
    assert released.next_strike is None


async def test_a_person_ends_one_hold_and_then_the_other(desk: Desk) -> None:
    await contained(desk)
    await desk.end(POINTS[0])
    assert (await look(desk)).status == "contained"
    await desk.end(POINTS[1])
    standing = await look(desk)
    assert standing.status == "released"
    assert standing.board.count("ended by ana at") == 2


async def test_it_was_contained_once_and_its_clock_has_stopped_for_good(desk: Desk) -> None:
    await contained(desk)
    (entry,) = await desk.audited("contained")
    desk.clock.advance(hours=2)
    await look(desk)
    assert [one.seq for one in await desk.audited("contained")] == [entry.seq]
