from activities.accounts import AccountState, DisableAccount
from activities.block import Block
from activities.forensics import CollectEvidence
from activities.isolate import Filter, Isolate
from playbooks.data_leak import DataLeak
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_undone

ISOLATE, DISABLE = Isolate(host="web-1"), DisableAccount(account="ana")


async def test_the_way_out_is_closed_first_and_host_and_account_are_asked_about_once(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(DataLeak, priority="P1", accounts=("ana",))
    assert run.done[:4] == [
        "block 203.0.113.7",
        "collect evidence (triage) of web-1",
        "isolate web-1",
        "disable account ana",
    ]
    assert run.done[4].startswith("end the sessions of ana")
    assert run.done[5].startswith("export cloud logs")
    assert len(run.asks) == 1
    assert world.state_of(DISABLE) == {"imagined": AccountState.DISABLED}
    await run.go_on(hours=25)
    assert world.state_of(DISABLE) == {"imagined": AccountState.ENABLED}
    assert world.state_of(ISOLATE) == {"imagined": Filter.OPEN}
    assert_undone(run)


async def test_nobody_answers_and_only_the_block_and_the_evidence_are_done(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(DataLeak, priority="P1", accounts=("ana",), says=lambda _: None)
    await run.go_on(minutes=16)
    assert [ask["state"] for ask in run.asks] == ["expired"]
    assert any("hosts and accounts were not cut off" in said for said in run.said)
    assert world.state_of(ISOLATE) == {"imagined": Filter.OPEN}
    assert world.state_of(Block(network=parse_network("203.0.113.7"))) == {"imagined": True}
    assert run.done[-1].startswith("export cloud logs")


async def test_silent_evidence_does_not_hold_up_what_closes(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(CollectEvidence)
    await run_playbook(DataLeak, priority="P1", accounts=("ana",))
    assert world.state_of(DISABLE) == {"imagined": AccountState.DISABLED}


async def test_of_an_incident_that_names_nothing_the_logs_are_kept_and_people_told(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(DataLeak, priority="P1", networks=(), hosts=())
    assert [said.partition(" from ")[0] for said in run.done] == ["export cloud logs"]
    assert any("No host and no account" in m["body"] for m in run.facts["messages"])
    assert run.asks == []
