from collections.abc import Mapping
from typing import Any

from activities.isolate import Filter, Isolate
from playbooks.ransomware import Ransomware
from responder.testing import ImaginedWorld, RunPlaybook, assert_undone

HOSTS = ("files-1", "files-2", "files-3")


def isolated(world: ImaginedWorld) -> list[str]:
    return [h for h in HOSTS if Filter.ISOLATED in world.state_of(Isolate(host=h)).values()]


async def test_one_host_is_isolated_first_then_the_others_and_evidence_comes_after(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    run = await run_playbook(Ransomware, priority="P1", hosts=HOSTS)
    assert run.done[:4] == ["block 203.0.113.7", *(f"isolate {host}" for host in HOSTS)]
    assert run.done[4:7] == [f"collect evidence (triage) of {host}" for host in HOSTS]
    assert run.done[7:] == [f"snapshot the volumes of {host}" for host in HOSTS]
    assert [len(ask["plan"]["changes"]) for ask in run.asks] == [1, 2]
    await run.go_on(hours=25)
    assert isolated(world) == []
    assert_undone(run)


async def test_a_first_wave_that_is_not_verified_stops_the_next_and_evidence_is_kept(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    world.fails(Isolate)
    run = await run_playbook(Ransomware, priority="P1", hosts=HOSTS)
    assert any("not all isolated" in said for said in run.said)
    assert any("not begun: isolate files-2" in m["body"] for m in run.facts["messages"])
    assert "collect evidence (triage) of files-3" in run.done
    assert isolated(world) == []


async def test_a_denied_second_wave_leaves_the_first_isolated(
    world: ImaginedWorld, run_playbook: RunPlaybook
) -> None:
    def only_one(ask: Mapping[str, Any]) -> bool:
        return len(ask["plan"]["changes"]) == 1

    run = await run_playbook(Ransomware, priority="P1", hosts=HOSTS, says=only_one)
    assert isolated(world) == ["files-1"]
    assert any("not all isolated" in said for said in run.said)
    assert run.status != "contained"


async def test_without_a_host_only_the_sender_is_shut_out_and_it_is_said(
    run_playbook: RunPlaybook,
) -> None:
    run = await run_playbook(Ransomware, priority="P1", hosts=())
    assert run.done == ["block 203.0.113.7"]
    assert any("No host is named" in message["body"] for message in run.facts["messages"])
