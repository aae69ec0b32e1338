"""The playbooks, run whole on an imagined world: what each does, asks, says and undoes."""

import pytest

from activities.block import Block
from activities.isolate import Filter, Isolate
from playbooks.authentication_attack import AuthenticationAttack
from playbooks.policy_violation import PolicyViolation
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_contained, assert_undone

BLOCK = Block(network=parse_network("203.0.113.7"))
ISOLATE = Isolate(host="web-1")


async def test_an_attack_is_shut_out_at_once_and_a_host_isolated_when_somebody_agrees(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.has_points(Block, "fra1", "ams1")
    run = await run_playbook(AuthenticationAttack, priority="P1")
    assert_contained(run)
    assert [done.partition(" (")[0] for done in run.done] == [
        "block 203.0.113.7",
        "collect evidence",
        "isolate web-1",
    ]
    assert [ask["state"] for ask in run.asks] == ["approved"]
    assert world.state_of(BLOCK) == {"fra1": True, "ams1": True}
    assert world.state_of(ISOLATE) == {"imagined": Filter.ISOLATED}
    await run.go_on(hours=9)
    assert world.state_of(ISOLATE) == {"imagined": Filter.OPEN}
    assert world.state_of(BLOCK) == {"fra1": True, "ams1": True}
    await run.go_on(hours=16)
    assert_undone(run)
    assert world.state_of(BLOCK) == {"fra1": False, "ams1": False}


async def test_a_denied_isolation_is_announced_and_the_block_stays(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(AuthenticationAttack, says=lambda _: False)
    assert world.state_of(ISOLATE) == {"imagined": Filter.OPEN}
    assert world.state_of(BLOCK) == {"imagined": True}
    assert any("not isolated" in said for said in run.said)
    assert run.runs[0]["state"] == "done"


async def test_nobody_answers_and_nothing_is_done_by_waiting(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(AuthenticationAttack, says=lambda _: None)
    await run.go_on(minutes=31)
    assert [ask["state"] for ask in run.asks] == ["expired"]
    assert world.state_of(ISOLATE) == {"imagined": Filter.OPEN}
    assert any("nobody decided" in said for said in run.said)


async def test_one_silent_firewall_is_said_and_tried_again(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.has_points(Block, "fra1", "ams1")
    world.fails(Block, times=3)
    run = await run_playbook(AuthenticationAttack, hosts=())
    with pytest.raises(AssertionError, match="not contained"):
        assert_contained(run)
    await run.go_on(minutes=5)
    assert_contained(run)


async def test_a_new_attacker_of_the_same_incident_is_shut_out_as_well(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(AuthenticationAttack, hosts=())
    await run.another_alert(networks=("203.0.113.8",))
    assert len(run.runs) == 2
    assert world.state_of(Block(network=parse_network("203.0.113.8"))) == {"imagined": True}
    assert_contained(run)


async def test_a_violation_of_policy_is_told_to_the_team_lead_and_cuts_nothing_off(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(PolicyViolation, priority="P4", networks=(), accounts=("ana",))
    assert not world.written
    assert any("ana" in said for said in run.said)
    assert run.facts["messages"][-1]["audience"] == "Team Lead" or any(
        message["audience"] == "Team Lead" for message in run.facts["messages"]
    )
