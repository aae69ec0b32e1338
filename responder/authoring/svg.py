"""A graph as a picture: SVG that stands by itself."""

from html import escape

from responder.authoring.graph import Edge, Graph, Node
from responder.authoring.layers import Spot, lay_out
from responder.authoring.mermaid import COLOURS, FAMILY

_TITLE, _DETAIL = (
    8.3,
    6.5,
)  # pixels a character, of 14 px bold and 12 px text in common sans-serif faces
_LINE, _PAD = 17.0, 13.0
_BETWEEN = 52.0  # pixels between layers
_MARGIN = 28.0
_SLANT = 14.0
_LANE = 16.0
_MOST_LINES = 5
_LEGEND = (
    ("read", "reads"), ("change", "changes, leased"), ("ask", "asks people"), ("tell", "tells people"),
    ("clock", "clocks and waits"), ("flow", "branches"), ("stop", "stops"),
)  # fmt: skip
_STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif;fill:#1f2328}
.t{font-size:14px;font-weight:600}.d{font-size:12px;fill:#59636e}.l{font-size:11.5px;fill:#59636e}
.h{font-size:19px;font-weight:650}.s{font-size:13px;fill:#59636e}.p{font-size:12px;font-weight:600;fill:#1a7f37}
.e{fill:none;stroke:#818b98;stroke-width:1.5}.b{stroke-dasharray:5 4}.k{fill:#fff}
.quiet{opacity:.45}.g{fill:#fff}
"""


def svg(graph: Graph) -> str:
    """*graph* drawn from top to bottom; what an incident passed is set off, if something was laid over."""
    return _Picture(graph).draw()


class _Picture:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._lines = {node.id: _lines(node) for node in graph.nodes.values()}
        self._widths = {n.id: _width(n, self._lines[n.id]) for n in graph.nodes.values()}
        self._laid = lay_out(graph, self._widths)
        self._spots = self._laid.spots
        self._overlaid = any(node.passed for node in graph.nodes.values())
        self._tops: list[float] = []
        self._heights: list[float] = []

    def draw(self) -> str:
        top = _MARGIN + 66
        for layer in self._laid.layers:
            tall = max((self._height(s.id) for s in layer if s.id in self._lines), default=0)
            self._tops.append(top)
            self._heights.append(tall)
            top += tall + _BETWEEN
        left = min(s.x - s.width / 2 for s in self._spots.values())
        shift = _MARGIN - left
        for spot in self._spots.values():
            spot.x += shift
        right = max(s.x + s.width / 2 for s in self._spots.values())
        backs = [e for e in self._graph.edges if e.back and e.source != e.target]
        height = top - _BETWEEN + _MARGIN + 30
        edges = [self._edge(edge) for edge in self._laid.routes]
        edges += [self._back(edge, right + _LANE * (n + 1)) for n, edge in enumerate(backs)]
        width = max(right + _LANE * len(backs) + _MARGIN, self._needed())
        body = [*edges, *(self._box(n) for n in self._graph.nodes.values())]
        return "\n".join(
            (
                (
                    f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
                    f'viewBox="0 0 {width:.0f} {height:.0f}" role="img" aria-label="{escape(self._graph.name)}">'
                ),
                f"<style>{_STYLE}</style>",
                (
                    '<defs><marker id="a" viewBox="0 0 8 8" refX="7.2" refY="4" markerWidth="8" '
                    'markerHeight="8" orient="auto"><path d="M0 .6 8 4 0 7.4z" fill="#818b98"/></marker></defs>'
                ),
                f'<rect class="g" width="{width:.0f}" height="{height:.0f}" rx="12"/>',
                f'<text class="h" x="{_MARGIN}" y="{_MARGIN + 14}">{escape(self._graph.name)}</text>',
                f'<text class="s" x="{_MARGIN}" y="{_MARGIN + 36}">{escape(self._graph.title)}</text>',
                *body,
                *self._legend(height - _MARGIN + 6),
                "</svg>\n",
            )
        )

    def _needed(self) -> float:
        """The width of the heading and of the legend."""
        legend = sum(len(said) * _DETAIL + 40 for _, said in _LEGEND)
        return max(len(self._graph.title) * 6.8, legend) + 2 * _MARGIN

    def _legend(self, y: float) -> list[str]:
        drawn, x = [], _MARGIN
        for family, said in _LEGEND:
            fill, stroke = COLOURS[family]
            drawn.append(
                f'<rect x="{x:.0f}" y="{y - 10:.0f}" width="14" height="11" rx="3" fill="{fill}" stroke="{stroke}"/>'
                f'<text class="l" x="{x + 20:.0f}" y="{y:.0f}">{said}</text>'
            )
            x += len(said) * _DETAIL + 40
        return drawn

    def _height(self, name: str) -> float:
        return len(self._lines[name]) * _LINE + 2 * _PAD - 4

    def _box(self, node: Node) -> str:
        spot, tall = self._spots[node.id], self._height(node.id)
        fill, stroke = COLOURS[FAMILY[node.kind]]
        top = self._top(spot)
        marks = f'fill="{fill}" stroke="{stroke}" stroke-width="{3.5 if node.passed else 1.4}"'
        shape = _shape(node, spot.x, top, spot.width, tall, marks)
        y, words = top + _PAD + 11, []
        for css, said in self._lines[node.id]:
            words.append(
                f'<text class="{css}" x="{spot.x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(said)}</text>'
            )
            y += _LINE
        quiet = ' class="quiet"' if self._overlaid and not node.passed else ""
        return f"<g{quiet}>{shape}{''.join(words)}</g>"

    def _top(self, spot: Spot) -> float:
        """Boxes stand in the middle of their layer."""
        return self._tops[spot.layer] + (self._heights[spot.layer] - self._height(spot.id)) / 2

    def _edge(self, edge: Edge) -> str:
        route = self._laid.routes[edge]
        x, y = route[0].x, self._top(route[0]) + self._height(route[0].id)
        path = [f"M{x:.1f} {y:.1f}"]
        for number, spot in enumerate(route[1:], 1):
            last = number == len(route) - 1
            to = self._top(spot) if last else self._tops[spot.layer]
            half = (to - y) / 2
            path.append(
                f"C{x:.1f} {y + half:.1f} {spot.x:.1f} {to - half:.1f} {spot.x:.1f} {to:.1f}"
            )
            if not last:
                to += self._heights[spot.layer]
                path.append(f"L{spot.x:.1f} {to:.1f}")
            x, y = spot.x, to
        drawn = f'<path class="e" d="{" ".join(path)}" marker-end="url(#a)"/>'
        return drawn + self._label(edge, route)

    def _label(self, edge: Edge, route: list[Spot]) -> str:
        if not edge.label:
            return ""
        bottom = self._top(route[0]) + self._height(route[0].id)
        x = route[0].x * 0.28 + route[1].x * 0.72  # of a cubic curve at t = 0.65
        y = bottom + _BETWEEN * 0.6 + 4
        wide = len(edge.label) * 5.9 + 8
        return (
            f'<rect class="k" x="{x - wide / 2:.1f}" y="{y - 11:.1f}" width="{wide:.1f}" height="15" rx="4"/>'
            f'<text class="l" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(edge.label)}</text>'
        )

    def _back(self, edge: Edge, lane: float) -> str:
        source, target = self._spots[edge.source], self._spots[edge.target]
        from_y = self._top(source) + self._height(source.id) / 2
        to_y = self._top(target) + self._height(target.id) / 2
        x, to_x = source.x + source.width / 2, target.x + target.width / 2
        bend = 10 if from_y > to_y else -10
        return (
            f'<path class="e b" d="M{x:.1f} {from_y:.1f} H{lane - 10:.1f} '
            f"Q{lane:.1f} {from_y:.1f} {lane:.1f} {from_y - bend:.1f} V{to_y + bend:.1f} "
            f'Q{lane:.1f} {to_y:.1f} {lane - 10:.1f} {to_y:.1f} H{to_x + 2:.1f}" marker-end="url(#a)"/>'
        )


def _shape(node: Node, x: float, top: float, wide: float, tall: float, marks: str) -> str:
    left, right, low = x - wide / 2, x + wide / 2, top + tall
    if node.kind in ("ask", "branch", "loop"):
        middle, cut = top + tall / 2, _SLANT
        points = (
            (left + cut, top), (right - cut, top), (right, middle), (right - cut, low),
            (left + cut, low), (left, middle),
        )  # fmt: skip
        return f'<polygon points="{" ".join(f"{a:.1f},{b:.1f}" for a, b in points)}" {marks}/>'
    rounded = tall / 2 if node.kind in ("start", "end", "raise") else 8
    return (
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{tall:.1f}" '
        f'rx="{min(rounded, 26):.0f}" {marks}/>'
    )


def _lines(node: Node) -> list[tuple[str, str]]:
    found = [("t", node.title), *(("d", detail) for detail in node.details[:_MOST_LINES])]
    if node.passed:
        found.append(("p", f"✔ {node.passed}"))
    return found


def _width(node: Node, lines: list[tuple[str, str]]) -> float:
    longest = max(len(said) * (_TITLE if css == "t" else _DETAIL) for css, said in lines)
    extra = 2 * _SLANT if node.kind in ("ask", "branch", "loop") else 0
    return max(longest + 2 * _PAD + extra, 96)
