"""Where each box of a drawing goes: in layers, with few crossings. After Sugiyama, Tagawa and Toda (1981)."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from responder.authoring.graph import Edge, Graph

_SWEEPS = 24
_GAP = 34.0  # pixels between boxes of a layer
_MAIN = 12.0  # how much more the main way is kept straight than others
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
    _spread(layers, _pulls(layout))
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
        for above, below in zip(route, route[1:], strict=False):
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
    for above, below in zip(layers, layers[1:], strict=False):
        at = {spot.id: i for i, spot in enumerate(below)}
        ends = [(i, at[n.id]) for i, s in enumerate(above) for n in down[s.id]]
        found += sum(
            1 for n, (a, b) in enumerate(ends) for c, d in ends[n + 1 :] if (a - c) * (b - d) < 0
        )
    return found


def _pulls(layout: Layout) -> dict[str, list[tuple[Spot, float]]]:
    """How strongly each spot wants to stand straight over or under another: the main way most of all."""
    pulls: dict[str, list[tuple[Spot, float]]] = defaultdict(list)
    seen: set[str] = set()
    for edge, route in layout.routes.items():
        main = edge.source not in seen
        seen.add(edge.source)
        strength = _MAIN if main and len(route) == 2 else 1.0  # noqa: PLR2004 - its two ends
        for above, below in zip(route, route[1:], strict=False):
            bent = above is route[0] or below is route[-1]
            weight = strength if bent else _MAIN
            pulls[above.id].append((below, weight))
            pulls[below.id].append((above, weight))
    return pulls


def _spread(layers: list[list[Spot]], pulls: dict[str, list[tuple[Spot, float]]]) -> None:
    """Give each spot its x: straight under and over its neighbours where there is room."""
    for layer in layers:
        x = 0.0
        for spot in layer:
            spot.x = x + spot.width / 2
            x += spot.width + _GAP
    for sweep in range(_SWEEPS * 6):
        rows = layers if sweep % 2 == 0 else layers[::-1]
        for layer in rows:
            wanted = {}
            for spot in layer:
                near = pulls[spot.id]
                heavy = sum(weight for _, weight in near)
                wanted[spot.id] = sum(n.x * w for n, w in near) / heavy if near else spot.x
            _settle(layer, wanted)


def _settle(layer: list[Spot], wanted: Mapping[str, float]) -> None:
    """As near to what is wanted as keeps the order and the gaps: the mean of pushing right and left."""
    right, edge = [], float("-inf")
    for spot in layer:
        x = max(wanted[spot.id], edge + spot.width / 2)
        right.append(x)
        edge = x + spot.width / 2 + _GAP
    left, edge = [], float("inf")
    for spot in reversed(layer):
        x = min(wanted[spot.id], edge - spot.width / 2)
        left.append(x)
        edge = x - spot.width / 2 - _GAP
    for spot, a, b in zip(layer, right, reversed(left), strict=True):
        spot.x = (a + b) / 2
