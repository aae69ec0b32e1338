"""Where each box of a drawing goes: in layers, with few crossings. After Sugiyama, Tagawa and Toda (1981)."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from responder.authoring.graph import Edge, Graph

_SWEEPS = 24
_GAP = 34.0  # pixels between boxes of a layer
_BESIDE = 22.0  # the width that a passing edge takes


@dataclass
class Spot:
    """A box, or a point that an edge passes by on its way over a layer."""

    id: str
    layer: int
    width: float
    x: float = 0.0  # its middle


@dataclass
class Layout:
    """Layers of spots, and the spots that each forward edge goes through."""

    layers: list[list[Spot]]
    routes: dict[Edge, list[Spot]] = field(default_factory=dict)

    @property
    def spots(self) -> dict[str, Spot]:
        """Every spot by its id."""
        return {spot.id: spot for layer in self.layers for spot in layer}


def lay_out(graph: Graph, widths: Mapping[str, float]) -> Layout:
    """Layers from the top, ordered and spread out."""
    forward = [e for e in graph.edges if not e.back and e.source != e.target]
    depth = _depths(list(graph.nodes), forward)
    for node in graph.nodes.values():
        if node.kind == "end":
            depth[node.id] = max(depth.values())
    layers: list[list[Spot]] = [[] for _ in range(max(depth.values(), default=0) + 1)]
    for name in graph.nodes:
        layers[depth[name]].append(Spot(name, depth[name], widths[name]))
    layout = Layout(layers)
    spots = layout.spots
    for number, edge in enumerate(forward):
        route = [spots[edge.source]]
        for layer in range(depth[edge.source] + 1, depth[edge.target]):
            passing = Spot(f"e{number}.{layer}", layer, _BESIDE)
            layers[layer].append(passing)
            route.append(passing)
        layout.routes[edge] = [*route, spots[edge.target]]
    up, down = _neighbours(layout)
    _order(layers, up, down)
    _spread(layout)
    return layout


def _depths(names: Sequence[str], forward: Sequence[Edge]) -> dict[str, int]:
    """The longest way from the start to each node."""
    depth = dict.fromkeys(names, 0)
    for _ in names:  # a way without a circle is no longer than there are nodes
        changed = False
        for edge in forward:
            if depth[edge.target] < depth[edge.source] + 1 <= len(names):
                depth[edge.target], changed = depth[edge.source] + 1, True
        if not changed:
            break
    return depth


Neighbours = dict[str, list[Spot]]


def _neighbours(layout: Layout) -> tuple[Neighbours, Neighbours]:
    up: Neighbours = defaultdict(list)
    down: Neighbours = defaultdict(list)
    for route in layout.routes.values():
        for above, below in itertools.pairwise(route):
            up[below.id].append(above)
            down[above.id].append(below)
    return up, down


def _order(layers: list[list[Spot]], up: Neighbours, down: Neighbours) -> None:
    """Bring each spot near the middle of what it is joined to, downwards and upwards in turn."""
    place = {spot.id: float(i) for layer in layers for i, spot in enumerate(layer)}
    best, kept = _crossings(layers, down), [list(layer) for layer in layers]
    for sweep in range(_SWEEPS):
        nearest, rows = (up, layers) if sweep % 2 == 0 else (down, layers[::-1])
        for layer in rows:
            middle = {
                s.id: sum(place[n.id] for n in nearest[s.id]) / len(nearest[s.id])
                if nearest[s.id]
                else place[s.id]
                for s in layer
            }
            layer.sort(key=lambda s: middle[s.id])
            place |= {spot.id: float(i) for i, spot in enumerate(layer)}
        if (found := _crossings(layers, down)) < best:
            best, kept = found, [list(layer) for layer in layers]
    for layer, order in zip(layers, kept, strict=True):
        layer[:] = order


def _crossings(layers: list[list[Spot]], down: Neighbours) -> int:
    found = 0
    for above, below in itertools.pairwise(layers):
        at = {spot.id: i for i, spot in enumerate(below)}
        ends = [(i, at[n.id]) for i, s in enumerate(above) for n in down[s.id]]
        found += sum(
            1 for n, (a, b) in enumerate(ends) for c, d in ends[n + 1 :] if (a - c) * (b - d) < 0
        )
    return found


def _spread(layout: Layout) -> None:  # noqa: C901 - one thought in four loops
    """
    Give each spot its x: what stands straight over one another is moved as one.

    After the blocks of Brandes and Koepf (2001), which are then drawn towards what they are joined to.
    """
    block = _blocks(layout)
    members: dict[str, list[Spot]] = defaultdict(list)
    beside: dict[str, list[tuple[str, float]]] = defaultdict(
        list
    )  # what is left of it, and how far
    for layer in layout.layers:
        for spot in layer:
            members[block[spot.id]].append(spot)
        for left, right in itertools.pairwise(layer):
            room = (left.width + right.width) / 2 + _GAP
            beside[block[right.id]].append((block[left.id], room))
    x = dict.fromkeys(members, 0.0)
    for _ in members:
        for name in members:
            x[name] = max((x[left] + room for left, room in beside[name]), default=0.0)
    pulls: dict[str, list[str]] = defaultdict(list)
    for route in layout.routes.values():
        for above, below in itertools.pairwise(route):
            if (one := block[above.id]) != (other := block[below.id]):
                pulls[one].append(other)
                pulls[other].append(one)
    for _ in range(_SWEEPS):
        for name, near in pulls.items():
            least = max((x[left] + room for left, room in beside[name]), default=float("-inf"))
            most = min(
                (
                    x[o] - room
                    for o, lefts in beside.items()
                    for left, room in lefts
                    if left == name
                ),
                default=float("inf"),
            )
            wanted = sum(x[one] for one in near) / len(near)
            x[name] = min(max(wanted, least), most)
    for name, spots in members.items():
        for spot in spots:
            spot.x = x[name]


def _blocks(layout: Layout) -> dict[str, str]:
    """Which spots stand straight over one another: the main way out of each, where nothing crosses it."""
    at = {spot.id: i for layer in layout.layers for i, spot in enumerate(layer)}
    wished: list[tuple[int, Spot, Spot]] = []
    seen: set[str] = set()
    for edge, route in layout.routes.items():
        main = edge.source not in seen
        seen.add(edge.source)
        for above, below in itertools.pairwise(route):
            passing = above is not route[0] and below is not route[-1]
            wished.append((0 if passing else 1 if main else 2, above, below))
    block = {spot.id: spot.id for layer in layout.layers for spot in layer}
    taken: set[tuple[str, str]] = set()
    kept: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for _, above, below in sorted(wished, key=lambda one: one[0]):
        a, b = at[above.id], at[below.id]
        if ("down", above.id) in taken or ("up", below.id) in taken:
            continue
        if any((a - c) * (b - d) <= 0 for c, d in kept[above.layer]):
            continue
        kept[above.layer].append((a, b))
        taken |= {("down", above.id), ("up", below.id)}
        old, new = block[below.id], block[above.id]
        block = {name: new if one == old else one for name, one in block.items()}
    return block
