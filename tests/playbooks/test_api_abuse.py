from activities.restrict import Limits, Restrict
from playbooks.api_abuse import ApiAbuse
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_contained, assert_undone

SLOWED = Restrict(network=parse_network("203.0.113.7"), connections_per_minute=100)


async def test_it_is_watched_then_slowed_for_an_hour_and_nobody_is_asked(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(ApiAbuse, priority="P3")
    assert run.done == [
        "raise monitoring of web-1",
        "restrict 203.0.113.7 to 100 new connections/min",
    ]
    assert run.asks == []
    assert any(message["audience"] == "Operations" for message in run.facts["messages"])
    assert_contained(run)
    await run.go_on(hours=2)
    assert world.state_of(SLOWED) == {"imagined": Limits()}
    await run.go_on(hours=23)
    assert_undone(run)


async def test_at_p4_it_is_asked_and_a_no_is_said(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(ApiAbuse, priority="P4", says=lambda _: False)
    assert any("not restricted" in said for said in run.said)
    assert world.state_of(SLOWED) == {"imagined": Limits()}


async def test_of_an_incident_that_names_nothing_operations_are_told_so(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(ApiAbuse, priority="P3", networks=(), hosts=())
    assert any("nothing was restricted" in said for said in run.said)
    assert not world.written
