"""What a run executed against what is drawn."""

from responder.authoring.code import Code, Kind
from responder.authoring.drawing import draw
from responder.authoring.graph import Graph
from responder.rehearsal.witness import Witness
from responder.workflows.playbook import Playbook


def graph_of(playbook: type[Playbook], known: dict[str, Kind]) -> Graph:
    """The playbook, drawn."""
    code = Code.of(playbook)
    return draw(code, code.named(playbook.__name__), known)


def missing(graph: Graph, witness: Witness) -> list[str]:
    """What was executed one after the other, and is not so in the graph."""
    return [f"{a} → {b}" for a, b in witness.edges(graph.name) if not graph.has(a, b)]
