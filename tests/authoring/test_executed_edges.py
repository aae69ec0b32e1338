"""Every step that a run executes after another is an edge of the playbook's graph."""

import pytest

from activities.forensics import CollectEvidence
from playbooks import PLAYBOOKS
from responder.authoring.code import Kind
from responder.authoring.graph import END, Edge, Graph, Place
from responder.rehearsal.people import Says, approves
from responder.rehearsal.witness import Witness, witnessing
from responder.testing import RunPlaybook, policy_for
from responder.workflows.playbook import Playbook
from tests.authoring.edges import graph_of, missing

SAID: dict[str, Says] = {
    "approved": approves,
    "denied": lambda _: False,
    "unanswered": lambda _: None,
}


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda p: p.__name__)
async def test_the_graph_holds_every_edge_that_was_executed_and_misses_any_that_is_taken_away(
    playbook: type[Playbook], said: str, run_playbook: RunPlaybook, known: dict[str, Kind]
) -> None:
    with witnessing() as witness:
        run = await run_playbook(
            playbook, priority="P1", hosts=("web-1", "web-2"), accounts=("ana",), says=SAID[said]
        )
        await run.go_on(hours=3)
    graph = graph_of(playbook, known)
    assert witness.edges(playbook.__name__), "nothing was executed"
    assert missing(graph, witness) == []
    for before, after in witness.edges(playbook.__name__):
        arriving = [edge for edge in graph.edges if leads_to(graph, edge, after)]
        leaving = [edge for edge in graph.edges if leaves(graph, edge, before)]
        assert unnoticed(graph, witness, arriving) == unnoticed(graph, witness, leaving) == []


def unnoticed(graph: Graph, witness: Witness, taken: list[Edge]) -> list[Edge]:
    """The edges that are taken away, if nobody sees that they are missing."""
    less = Graph(
        graph.name, graph.title, graph.nodes, [edge for edge in graph.edges if edge not in taken]
    )
    return [] if missing(less, witness) else taken


def leads_to(graph: Graph, edge: Edge, place: Place) -> bool:
    return graph.nodes[edge.target].place == place != graph.nodes[edge.source].place


def leaves(graph: Graph, edge: Edge, place: Place | None) -> bool:
    node = graph.nodes[edge.source]
    return node.place == place if place else node.kind == "start"


@pytest.mark.parametrize(
    ("kind", "words"),
    [("contained", ""), ("announce", "no evidence was collected"), ("end", "")],
)
async def test_a_graph_without_one_thing_that_was_executed_is_noticed(
    kind: str, words: str, run_playbook: RunPlaybook, known: dict[str, Kind]
) -> None:
    """Among them what `otherwise` says, which no line of the playbook calls."""
    [attack] = [p for p in PLAYBOOKS if p.__name__ == "AuthenticationAttack"]
    policy = policy_for(("web-1",)).model_copy(update={"budgets": {CollectEvidence.__name__: 0}})
    with witnessing() as witness:
        run = await run_playbook(attack, priority="P1", policy=policy)
    assert run.runs[0]["state"] == "done"
    graph = graph_of(attack, known)
    assert missing(graph, witness) == []
    assert any(after == END for _, after in witness.edges(attack.__name__))
    less = [
        edge for edge in graph.edges
        if graph.nodes[edge.target].kind != kind or words not in graph.nodes[edge.target].says
    ]  # fmt: skip
    assert len(less) < len(graph.edges)
    assert missing(Graph(graph.name, graph.title, graph.nodes, less), witness)
