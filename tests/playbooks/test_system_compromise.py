from activities.block import Block
from activities.forensics import CollectEvidence
from activities.isolate import Filter, Isolate
from activities.volumes import SnapshotVolumes
from playbooks.system_compromise import SystemCompromise
from responder.paging import acknowledge, listed
from responder.people.person import Person, Role
from responder.policy.networks import parse_network
from responder.testing import ImaginedWorld, RunPlaybook, assert_undone

ISOLATE = Isolate(host="web-1")


async def test_what_is_volatile_is_kept_before_anything_changes_and_disks_after_isolation(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(SystemCompromise, priority="P1", title="Web shell on a server")
    assert [str(one) for one in world.asked] == ["connections of web-1"]
    evidence, block, isolate, snapshot, logs = run.done
    assert evidence == "collect evidence (triage) of web-1"
    assert (block, isolate) == ("block 203.0.113.7", "isolate web-1")
    assert snapshot == "snapshot the volumes of web-1"
    assert logs.startswith("export cloud logs from ")
    assert [ask["plan"]["changes"][0]["summary"] for ask in run.asks] == ["isolate web-1"]
    assert world.state_of(ISOLATE) == {"imagined": Filter.ISOLATED}
    assert any("proposed, not applied" in said for said in run.said)
    await run.go_on(hours=25)
    assert_undone(run)
    assert world.state_of(ISOLATE) == {"imagined": Filter.OPEN}


async def test_the_ciso_is_paged_beside_it_and_the_run_waits_for_the_answer_last(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(SystemCompromise, priority="P1", title="Web shell on a server")
    store = run.rehearsal.store
    [page] = await listed(store, everything=False)
    assert page["role"] == "CISO"
    assert run.runs[0]["state"] == "open"
    vic = Person(name="vic", roles=(Role.OPERATOR,), teams=("CISO",))
    await acknowledge(store, page["id"], vic)
    await run.go_on(minutes=1)
    assert run.runs[0]["state"] == "done"


async def test_the_administrators_are_told_before_anything_is_done(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(SystemCompromise, priority="P1", title="Web shell on a server")
    audiences = [m["audience"] for m in run.facts["messages"] if "Web shell" in m["subject"]]
    assert "administrators" in audiences
    [told] = [m for m in run.facts["messages"] if m["audience"] == "administrators"]
    assert told["loud"]
    assert told["body"] == "On web-1."
    assert all(told["made"] <= step["begun"] for step in run.facts["steps"])


async def test_nobody_answers_the_page_and_the_run_ends_all_the_same(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(SystemCompromise, priority="P2")
    await run.go_on(minutes=20)
    assert run.runs[0]["state"] == "done"
    assert any("UNANSWERED" in said or "unanswered" in said for said in run.said)


async def test_a_denied_isolation_is_said_and_evidence_and_block_stay(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(SystemCompromise, priority="P1", says=lambda _: False)
    assert world.state_of(ISOLATE) == {"imagined": Filter.OPEN}
    assert world.state_of(Block(network=parse_network("203.0.113.7"))) == {"imagined": True}
    assert any("not isolated" in said for said in run.said)
    assert "snapshot the volumes of web-1" in run.done
    assert run.status != "contained"


async def test_a_silent_disk_hides_neither_the_logs_nor_the_isolation(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(SnapshotVolumes)
    run = await run_playbook(SystemCompromise, priority="P1")
    assert world.state_of(ISOLATE) == {"imagined": Filter.ISOLATED}
    states = {hold["resource"].partition("/")[0]: hold["outcome"] for hold in run.facts["holds"]}
    assert states["snapshotvolumes"] != "verified"
    assert states["acquired"] == "verified"
    assert run.status == "contained"


async def test_evidence_that_cannot_be_taken_does_not_hold_up_the_isolation(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(CollectEvidence)
    run = await run_playbook(SystemCompromise, priority="P1")
    assert world.state_of(ISOLATE) == {"imagined": Filter.ISOLATED}
    assert (await run.go_on(minutes=1)).status == "contained"


async def test_without_a_host_it_says_so_and_does_what_it_can(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(SystemCompromise, priority="P1", networks=(), hosts=())
    bodies = [message["body"] for message in run.facts["messages"]]
    assert sum("No host is named" in body for body in bodies) >= 1
    assert [said[:17] for said in run.done] == ["export cloud logs"]
    assert run.asks == []
    await run.go_on(minutes=20)
    assert run.runs[0]["state"] == "done"
