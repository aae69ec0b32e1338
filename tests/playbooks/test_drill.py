from playbooks.drill import Drill
from responder.paging import acknowledge, listed
from responder.people.person import Person, Role
from responder.testing import ImaginedWorld, RunPlaybook


async def test_the_chain_is_paged_one_after_the_other_and_who_came_is_said(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(Drill, priority="P4", networks=(), hosts=(), title="Quarterly drill")
    store = run.rehearsal.store
    ana = Person(name="ana", roles=(Role.OPERATOR,), teams=("Security Team",))
    [page] = await listed(store, everything=False)
    assert page["role"] == "Security Team"
    await acknowledge(store, page["id"], ana)
    await run.go_on(minutes=1)
    [page] = await listed(store, everything=False)
    assert page["role"] == "CISO"
    await run.go_on(minutes=20)
    [over] = [m for m in run.facts["messages"] if m["subject"].endswith("over")]
    assert over["body"].splitlines()[0].startswith("Security Team: ana after")
    assert over["body"].splitlines()[1] == "CISO: nobody within 15 minutes"
    assert not world.written
    assert run.asks == []


async def test_everything_that_it_says_is_marked_as_a_drill(run_playbook: RunPlaybook) -> None:
    run = await run_playbook(Drill, priority="P4", networks=(), hosts=(), title="Quarterly drill")
    await run.go_on(minutes=35)
    said = [m["subject"] for m in run.facts["messages"] if "This is a drill" in m["body"]]
    assert len(said) >= 7
    assert [subject for subject in said if "DRILL: Quarterly drill" not in subject] == []
    assert run.runs[0]["state"] == "done"
