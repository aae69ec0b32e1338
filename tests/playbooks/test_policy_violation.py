from playbooks.policy_violation import PolicyViolation
from responder.testing import ImaginedWorld, RunPlaybook


async def test_the_team_lead_hears_who_and_where_and_nothing_is_cut_off(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(
        PolicyViolation, priority="P4", networks=(), accounts=("ana",), title="A stick was used"
    )
    [told] = [
        m for m in run.facts["messages"] if m["audience"] == "Team Lead" and "ana" in m["subject"]
    ]
    assert told["subject"].endswith("A stick was used: ana, web-1")
    assert not world.written
    assert any("proposed, not applied" in said for said in run.said)
    assert run.runs[0]["state"] == "done"


async def test_of_an_incident_that_names_nothing_its_subject_is_told(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(PolicyViolation, priority="P4", networks=(), hosts=())
    assert any(said.endswith("An alert: nothing") for said in run.said)
