"""Every step that a run executes after another is an edge of the playbook's graph."""

import pytest

from activities.connections import Connections
from playbooks import PLAYBOOKS
from responder.authoring.code import Code, Kind
from responder.authoring.drawing import draw
from responder.authoring.graph import Graph
from responder.rehearsal.people import Says, approves
from responder.rehearsal.witness import Witness, witnessing
from responder.testing import RunPlaybook
from responder.workflows.playbook import Playbook

SAID: dict[str, Says] = {
    "approved": approves,
    "denied": lambda _: False,
    "unanswered": lambda _: None,
}


def graph_of(playbook: type[Playbook], known: dict[str, Kind]) -> Graph:
    code = Code.of(playbook)
    return draw(code, code.named(playbook.__name__), known)


def missing(playbook: type[Playbook], witness: Witness, known: dict[str, Kind]) -> list[str]:
    graph = graph_of(playbook, known)
    return [f"{a} → {b}" for a, b in witness.edges(playbook.__name__) if not graph.has(a, b)]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda p: p.__name__)
async def test_the_graph_holds_every_edge_that_was_executed(
    playbook: type[Playbook], said: str, run_playbook: RunPlaybook, known: dict[str, Kind]
) -> None:
    with witnessing() as witness:
        run = await run_playbook(
            playbook, priority="P1", hosts=("web-1", "web-2"), accounts=("ana",), says=SAID[said]
        )
        await run.go_on(hours=3)
    assert witness.edges(playbook.__name__), "nothing was executed"
    assert missing(playbook, witness, known) == []


async def test_a_graph_without_an_edge_that_was_executed_is_noticed(
    run_playbook: RunPlaybook, known: dict[str, Kind]
) -> None:
    [attack] = [p for p in PLAYBOOKS if p.__name__ == "AuthenticationAttack"]
    with witnessing() as witness:
        await run_playbook(attack, priority="P1")
    graph = graph_of(attack, known)
    graph.edges = [e for e in graph.edges if graph.nodes[e.target].kind != "contained"]
    assert [1 for a, b in witness.edges(attack.__name__) if not graph.has(a, b)]
    assert Connections.__name__ in {name for node in graph.nodes.values() for name in node.names}
