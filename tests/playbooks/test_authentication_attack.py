from activities.forensics import CollectEvidence
from playbooks.authentication_attack import AuthenticationAttack
from responder.testing import ImaginedWorld, RunPlaybook

EVIDENCE = "collect evidence (triage) of web-1 without disk-times, executables, persistence"


async def test_it_blocks_notifies_and_collects_in_that_order(run_playbook: RunPlaybook) -> None:
    run = await run_playbook(AuthenticationAttack, says=lambda _: False)
    assert run.done == ["block 203.0.113.7", EVIDENCE]
    told = [said for said in run.said if "shut out 203.0.113.7" in said]
    assert len(told) == 1
    assert any("proposed, not applied" in said for said in run.said)


async def test_below_p2_it_blocks_notifies_and_collects_and_asks_nobody(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(AuthenticationAttack, priority="P3")
    assert run.done == ["block 203.0.113.7", EVIDENCE]
    assert run.asks == []
    assert any("proposed, not applied" in said for said in run.said)


async def test_at_p4_a_no_to_the_block_is_said_and_evidence_kept_all_the_same(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(AuthenticationAttack, priority="P4", says=lambda _: False)
    assert run.done == [EVIDENCE]
    assert any("not blocked" in said for said in run.said)
    assert any("did not shut out 203.0.113.7" in said for said in run.said)
    assert run.runs[0]["state"] == "done"
    assert run.status != "contained"


async def test_evidence_that_cannot_be_taken_does_not_hold_up_the_question(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(CollectEvidence)
    run = await run_playbook(AuthenticationAttack, priority="P1")
    assert run.done[-1] == "isolate web-1"


async def test_evidence_that_cannot_be_taken_does_not_make_a_block_any_less_contained(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(CollectEvidence)
    run = await run_playbook(AuthenticationAttack)
    assert run.status == "contained"
    assert not any("only partly contained" in said for said in run.said)
