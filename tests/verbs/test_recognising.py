import pytest
from sqlalchemy import update

from responder.contract import Request
from responder.errors import Refused
from responder.store.tables import incidents, runs
from responder.verbs.doing import Doing
from responder.workflows.wire import Announcement, Batch, Ending, Nothing
from tests.databases import on_both
from tests.verbs.desk import Desk, block


async def _refused(desk: Desk, run: str, said: str, run_id: str = "") -> None:
    with pytest.raises(Refused, match=said):
        await desk.do(run, block(), run_id=run_id)
    assert desk.fra.writes == []
    assert (
        desk.fra.reads <= 1
    )  # looking changes nothing, so it need not wait for the word of the server
    assert await desk.held() == []
    (message,) = await desk.messages("forged/")
    assert (message.audience, message.loud) == ("security", True)
    (entry,) = await desk.audited("forged")
    assert entry.data["said"]


@on_both
@pytest.mark.parametrize("workflow_id", ["made-up", "IR-1/authentication-attack/2", "x" * 1000])
async def test_a_run_that_the_store_does_not_know_gains_nothing(
    desk: Desk, workflow_id: str
) -> None:
    await desk.open_run()
    await _refused(desk, workflow_id, "the store knows no such run")


async def test_a_run_that_is_over_gains_nothing(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.run(run, desk.reporting().finish, Ending())
    await _refused(desk, run, "the run is over", run_id="another-run")


async def test_a_run_whose_incident_was_closed_meanwhile_stops_without_an_alarm(desk: Desk) -> None:
    run = await desk.open_run()
    async with desk.store.transaction() as tx:
        await tx.execute(update(incidents).values(closed=desk.clock.now))
    with pytest.raises(Refused, match="the run or its incident is closed; nothing was done"):
        await desk.do(run, block())
    assert desk.fra.reads == 0
    assert await desk.messages("forged/") == []


@pytest.mark.parametrize(
    ("parent", "said"), [(None, "started by nobody"), ("IR-2", "started by IR-2")]
)
async def test_a_workflow_that_its_incident_did_not_start_gains_nothing(
    desk: Desk, parent: str | None, said: str
) -> None:
    run = await desk.open_run()
    if parent is not None:
        desk.server.parents[run, "another-run"] = parent
    await _refused(desk, run, said, run_id="another-run")


async def test_a_workflow_that_its_incident_did_start_is_bound_from_then_on(desk: Desk) -> None:
    run = await desk.open_run()
    async with desk.store.transaction() as tx:
        await tx.execute(update(runs).values(bound=None))
    desk.server.parents[run, "first"] = "IR-1"
    assert (await desk.do(run, block(), run_id="first")).receipts[0].verified

    desk.server.parents.clear()  # Temporal forgot; the store did not
    assert (await desk.do(run, block(), run_id="first")).receipts[0].verified


async def test_a_run_that_temporal_lost_and_its_incident_started_again_goes_on(desk: Desk) -> None:
    run = await desk.open_run()
    first = await desk.do(run, block())
    desk.server.parents[run, "again"] = "IR-1"
    assert await desk.do(run, block(), run_id="again") == first
    assert len(desk.fra.writes) == 1


async def test_every_verb_of_a_run_is_guarded(desk: Desk) -> None:
    reporting = desk.reporting()
    for verb, argument in (
        (reporting.announce, Announcement(number=1, audience="security", subject="hello")),
        (reporting.contained, Nothing()),
        (reporting.finish, Ending()),
        (Doing(desk.context).do, Batch(step=1, actions=(Request.of(block()),))),
    ):
        with pytest.raises(Refused, match="the store knows no such run"):
            await desk.run("made-up", verb, argument)
    with pytest.raises(Refused, match="no such incident"):
        await desk.run("made-up", reporting.stand, Nothing())
    assert [m.subject for m in await desk.messages() if not m.key.startswith("forged/")] == []


async def test_an_activity_without_a_workflow_gains_nothing(desk: Desk) -> None:
    await desk.open_run()
    with pytest.raises(Refused, match="a stand-alone activity: the store knows no such run"):
        await desk.do("", block())


async def test_saying_something_twice_is_one_message(desk: Desk) -> None:
    run = await desk.open_run()
    said = Announcement(number=1, audience="security", subject="hello")
    for _ in range(2):
        await desk.run(run, desk.reporting().announce, said)
    (message,) = await desk.messages("said/")
    assert message.subject == "P2 IR-1: hello"
    assert len(await desk.audited("announced")) == 1


async def test_a_run_that_failed_is_told_to_people_once(desk: Desk) -> None:
    run = await desk.open_run()
    await desk.run(run, desk.reporting().finish, Ending(failed=True, said="ValueError: no"))
    (message,) = await desk.messages("failed/")
    assert message.loud
    assert "ValueError: no" in message.body
