"""The shape of a playbook: its steps, questions, waits and branches, and what follows what. Plain data."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

Place = tuple[str, int, int]  # file name, line from 1, column from 0
END: Place = ("", 0, 0)  # where every run that goes well comes to
# Nodes that no run stops at: what is between two steps that a run executed may be any of them.
SILENT = frozenset({"branch", "loop", "ask", "sleep", "wait_condition", "start", "raise"})


def instead(place: Place) -> Place:
    """Where people are told that the `do` at *place* was not done: in the same call, told apart from it."""
    return (place[0], place[1], ~place[2])


@dataclass
class Node:
    """One box of the drawing."""

    id: str
    kind: str
    title: str
    details: tuple[str, ...] = ()
    place: Place | None = None
    names: tuple[str, ...] = ()  # actions and lookups
    says: str = ""  # the part of an announcement that is known beforehand
    maybe: bool = False  # whether it may be left out: a step for each of what may be none
    passed: str = ""  # what happened here: done, asked, failed; empty: nothing was heard


@dataclass(frozen=True)
class Edge:
    """What may follow what, and when."""

    source: str
    target: str
    label: str = ""
    back: bool = False


@dataclass
class Graph:
    """A playbook, drawn."""

    name: str
    title: str
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def add(self, kind: str, title: str, *details: str, place: Place | None = None) -> Node:
        """One more node."""
        node = Node(f"n{len(self.nodes)}", kind, title, tuple(d for d in details if d), place)
        self.nodes[node.id] = node
        return node

    def join(self, source: str, target: str, label: str = "", *, back: bool = False) -> None:
        """One more edge, once."""
        edge = Edge(source, target, label, back)
        if not any((e.source, e.target, e.label) == (source, target, label) for e in self.edges):
            self.edges.append(edge)

    def following(self) -> dict[str, list[Edge]]:
        """The edges that leave each node."""
        found: dict[str, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            found[edge.source].append(edge)
        return found

    def at(self, place: Place) -> list[Node]:
        """The nodes that stand for the call at *place*."""
        return [node for node in self.nodes.values() if node.place == place]

    def reaches(self, source: str) -> Iterator[str]:
        """What may be the next step after *source*: through branches, questions and waits."""
        following, seen = self.following(), {source}
        waiting = [edge.target for edge in following[source]]
        while waiting:
            one = waiting.pop()
            if one in seen and one != source:
                continue
            seen.add(one)
            yield one
            if (self.nodes[one].kind in SILENT or self.nodes[one].maybe) and one != source:
                waiting += [edge.target for edge in following[one]]

    def has(self, source: Place | None, target: Place) -> bool:
        """Whether a run may go from the call at *source* to that at *target*; None: from the start."""
        starts = (
            self.at(source) if source else [n for n in self.nodes.values() if n.kind == "start"]
        )
        goals = {node.id for node in self.at(target)}
        return any(goals & set(self.reaches(start.id)) for start in starts)
