"""A graph as mermaid text, which code forges and editors draw: https://mermaid.js.org/syntax/flowchart.html."""

from responder.authoring.graph import Graph, Node

# One shape for each kind: what opens it, what closes it.
_SHAPES = {
    "start": ("([", "])"),
    "end": ("([", "])"),
    "raise": ("([", "])"),
    "ask": ("{", "}"),
    "branch": ("{", "}"),
    "loop": ("{{", "}}"),
    "look_up": ("[/", "/]"),
    "announce": (">", "]"),
    "escalate": (">", "]"),
    "contained": ("[[", "]]"),
    "sleep": ("(", ")"),
    "wait_condition": ("(", ")"),
}
_CLASSES = {
    "change": "fill:#fde9d9,stroke:#c2560c,color:#1f2328",
    "ask": "fill:#fff6cc,stroke:#9a6700,color:#1f2328",
    "read": "fill:#e6f1fb,stroke:#1f6feb,color:#1f2328",
    "tell": "fill:#f1ebfb,stroke:#6f42c1,color:#1f2328",
    "clock": "fill:#e6f6ea,stroke:#1a7f37,color:#1f2328",
    "flow": "fill:#f6f8fa,stroke:#656d76,color:#1f2328",
    "stop": "fill:#ffebe9,stroke:#cf222e,color:#1f2328",
}
FAMILY = {
    "do": "change", "do_in_waves": "change", "ask": "ask", "look_up": "read", "announce": "tell",
    "escalate": "tell", "contained": "clock", "sleep": "clock", "wait_condition": "clock",
    "start": "clock", "end": "flow", "branch": "flow", "loop": "flow", "raise": "stop",
}  # fmt: skip
COLOURS = {
    family: (said.split("fill:")[1].split(",")[0], said.split("stroke:")[1].split(",")[0])
    for family, said in _CLASSES.items()
}


def mermaid(graph: Graph) -> str:
    """*graph* as a flowchart, from top to bottom."""
    lines = ["flowchart TD", f"  %% {graph.name}: {graph.title}"]
    for node in graph.nodes.values():
        opening, closing = _SHAPES.get(node.kind, ("[", "]"))
        lines.append(f'  {node.id}{opening}"{_text(node)}"{closing}')
    for edge in graph.edges:
        label = f'|"{_safe(edge.label)}"|' if edge.label else ""
        lines.append(f"  {edge.source} -->{label} {edge.target}")
    lines += [f"  classDef {family} {said};" for family, said in _CLASSES.items()]
    lines.append("  classDef passed stroke-width:4px;")
    for family in _CLASSES:
        if names := [n.id for n in graph.nodes.values() if FAMILY[n.kind] == family]:
            lines.append(f"  class {','.join(names)} {family};")
    if passed := [n.id for n in graph.nodes.values() if n.passed]:
        lines.append(f"  class {','.join(passed)} passed;")
    return "\n".join(lines) + "\n"


def _text(node: Node) -> str:
    parts = [node.title, *node.details]
    if node.passed:
        parts.append(f"✔ {node.passed}")
    return "<br/>".join(_safe(part) for part in parts)


def _safe(text: str) -> str:
    """*text* without what would end a label, or start markup."""
    for mark, code in (
        ("#", "#35;"),
        ("&", "#amp;"),
        ('"', "#quot;"),
        ("<", "#lt;"),
        (">", "#gt;"),
    ):
        text = text.replace(mark, code) if mark != "#" else text.replace("#", "\0")
    text = text.replace("\0", "#35;")
    return text.replace("`", "'")
