import pytest

from activities.monitoring import Monitoring, RaiseMonitoring
from activities.restrict import Limits, Restrict
from playbooks.unusual_traffic import UnusualTraffic
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_contained, assert_undone

SLOWED = Restrict(network=parse_network("203.0.113.7"), packets_per_second=1000)
WATCH = RaiseMonitoring(host="web-1")


async def test_more_is_logged_before_less_is_let_through_and_both_end(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(UnusualTraffic, priority="P3")
    assert run.done == ["raise monitoring of web-1", "restrict 203.0.113.7 to 1000 packets/s"]
    assert run.asks == []
    assert_contained(run)
    await run.go_on(hours=2)
    assert world.state_of(SLOWED) == {"imagined": Limits()}
    assert world.state_of(WATCH) == {"imagined": Monitoring.RAISED}
    await run.go_on(hours=23)
    assert_undone(run)


async def test_a_silent_firewall_is_not_contained_and_tried_again(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(Restrict, times=3)
    run = await run_playbook(UnusualTraffic, priority="P3")
    with pytest.raises(AssertionError, match="not contained"):
        assert_contained(run)
    await run.go_on(minutes=5)
    assert_contained(run)


async def test_of_an_incident_that_names_nothing_operations_are_told_so(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(UnusualTraffic, priority="P3", networks=(), hosts=())
    assert any("nothing was restricted" in said for said in run.said)
    assert any("nothing is named" in message["body"] for message in run.facts["messages"])
    assert not world.written
