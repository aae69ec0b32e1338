"""Rules about steps: leases, the order of evidence, the size of batches, and what `contained` promises."""

import ast
import re
from collections.abc import Iterator

from responder.authoring.code import (
    Code,
    Function,
    Kind,
    calls,
    dotted,
    methods,
    named_in,
    step_of,
)
from responder.authoring.drawing import draw
from responder.authoring.graph import Edge, Graph, Node
from responder.authoring.rules import Finding, found
from responder.workflows.playbook import MOST

_VOLATILE = frozenset({"CollectEvidence", "Connections"})
_ENDING = re.compile(r"^Isolate$|PowerOff|Shutdown|Reboot|Terminate(?!Session)|StopInstance|^Stop")
_RUNNING = ("create_task", "gather", "wait", "wait_for", "ensure_future", "as_completed", "shield")


def steps(code: Code, known: dict[str, Kind]) -> Iterator[Finding]:
    """Findings of PB008, PB009 and PB013 to PB015."""
    for cls in code.playbooks():
        for method in methods(cls).values():
            yield from _leases(code, method, known)
            yield from _batches(code, method)
            yield from _awaited(code, method)
        graph = draw(code, cls, known)
        yield from _order(code, graph)
        yield from _contained(code, cls, graph)


def _leases(code: Code, method: Function, known: dict[str, Kind]) -> Iterator[Finding]:
    for call in calls(method):
        if step_of(call) not in ("do", "do_in_waves"):
            continue
        for one in named_in(ast.Tuple(elts=list(call.args)), code, method, known):
            given = {k.arg for k in one.call.keywords}
            if one.kind.changes and not one.kind.held and not given & {"lasts", None}:
                name = one.kind.name
                yield found(
                    code, one.call, "PB008", f"{name} is held until somebody ends it, and does not say so",
                    f"{name}(…, lasts=timedelta(hours=8)), or lasts=None if that is meant",
                )  # fmt: skip


def _batches(code: Code, method: Function) -> Iterator[Finding]:
    for call in calls(method):
        if step_of(call) != "do":
            continue
        size = sum(1 for a in call.args if not isinstance(a, ast.Starred))
        size += sum(_size(a.value, code) for a in call.args if isinstance(a, ast.Starred))
        if size > MOST:
            yield found(
                code, call, "PB014", f"a batch of {size} actions",
                f"await self.do(*some) for each {MOST} of them",
            )  # fmt: skip


def _size(node: ast.expr, code: Code) -> int:
    """How many there are, where that is written down; 0 where it is not."""
    match node:
        case ast.List(elts=parts) | ast.Tuple(elts=parts) | ast.Set(elts=parts):
            return len(parts)
        case ast.GeneratorExp(generators=[one]) | ast.ListComp(generators=[one]) if not one.ifs:
            return _size(one.iter, code)
        case ast.Call(func=ast.Name(id="range"), args=[ast.Constant(value=int(many))]):
            return many
        case ast.Call(
            func=ast.Name(id="range"),
            args=[ast.Constant(value=int(first)), ast.Constant(value=int(last))],
        ):
            return last - first
        case ast.BinOp(op=ast.Mult(), left=part, right=ast.Constant(value=int(times))):
            return _size(part, code) * times
        case ast.Name(id=name) if name in code.constants:
            return _size(code.constants[name], code)
    return 0


def _awaited(code: Code, method: Function) -> Iterator[Finding]:
    for node in ast.walk(method):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            call = node.value
            if step_of(call) and not dotted(call.func).endswith(_RUNNING):
                text = dotted(call.func)
                yield found(
                    code,
                    node,
                    "PB015",
                    f"{text}(…) is not awaited: it is never done",
                    f"await {text}(…)",
                )


def _order(code: Code, graph: Graph) -> Iterator[Finding]:
    """Evidence of a kind that is first taken after a host was cut off."""
    following = graph.following()
    taken: set[str] = set()
    for node in graph.nodes.values():  # in the order of the text
        ending = [name for name in node.names if _ENDING.search(name)]
        if node.kind in ("do", "do_in_waves") and ending:
            for late in _after(graph, node, following):
                missed = sorted(_VOLATILE & set(late.names) - taken)
                if missed and late.place and node.place:
                    at = ast.Pass(lineno=late.place[1])
                    yield found(
                        code, at, "PB009",
                        f"{missed[0]} comes after {ending[0]} of line {node.place[1]}: it is gone by then",
                        f"{missed[0]} before {ending[0]} (RFC 3227, 2.1)",
                    )  # fmt: skip
        taken |= _VOLATILE & set(node.names)


def _after(graph: Graph, node: Node, following: dict[str, list[Edge]]) -> list[Node]:
    seen: set[str] = set()
    waiting = [node.id]
    while waiting:
        for edge in following.get(waiting.pop(), []):
            if edge.target not in seen and not edge.back:
                seen.add(edge.target)
                waiting.append(edge.target)
    return [graph.nodes[name] for name in seen if graph.nodes[name].kind != "ask"]


def _contained(code: Code, cls: ast.ClassDef, graph: Graph) -> Iterator[Finding]:
    within = next((k.value for k in cls.keywords if k.arg == "contain_within"), None)
    if within is None or (isinstance(within, ast.Constant) and within.value is None):
        return
    if not any(node.kind == "contained" for node in graph.nodes.values()):
        yield found(
            code, cls, "PB013", "contain_within is set, and nothing says that containment is complete",
            "await self.contained()",
        )  # fmt: skip
