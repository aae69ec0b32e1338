from activities.block import Block
from playbooks.unauthorized_access import UnauthorizedAccess
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_contained, assert_undone

BLOCK = Block(network=parse_network("203.0.113.7"))


async def test_it_is_shut_out_at_once_and_sessions_end_when_somebody_agrees(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(UnauthorizedAccess, accounts=("ana",))
    assert run.done[0] == "block 203.0.113.7"
    assert run.done[1].startswith("end the sessions of ana")
    assert [str(one) for one in world.asked] == ["connections of web-1"]
    assert any("shut out" in said for said in run.said)
    assert_contained(run)
    await run.go_on(hours=25)
    assert world.state_of(BLOCK) == {"imagined": False}
    assert_undone(run)


async def test_nobody_answers_and_the_block_stays(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(UnauthorizedAccess, accounts=("ana",), says=lambda _: None)
    await run.go_on(minutes=31)
    assert any("sessions were not ended" in said for said in run.said)
    assert world.state_of(BLOCK) == {"imagined": True}


async def test_an_address_of_ours_is_never_shut_out_and_the_attackers_is(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(UnauthorizedAccess, networks=("203.0.113.7", "198.51.100.10"))
    assert world.state_of(BLOCK) == {"imagined": True}
    assert any("is ours (web-1)" in message["body"] for message in run.facts["messages"])


async def test_of_an_incident_that_names_nothing_people_are_told_so(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(UnauthorizedAccess, networks=(), hosts=())
    assert any("nothing was shut out" in said for said in run.said)
    assert not world.written
