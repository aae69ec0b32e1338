"""Rules about the way through: steps that nothing reaches, loops that never wait, refusals that are hidden."""

import ast
from collections.abc import Iterator
from itertools import pairwise

from responder.authoring.code import Code, Function, calls, dotted, methods, step_of
from responder.authoring.rules import Finding, found

_HIDING = {"Exception", "BaseException", "Refused", "ActionError", "ResponderError"}
_PAUSES = {"sleep", "wait_condition", "escalate"}


def flow(code: Code) -> Iterator[Finding]:
    """Findings of PB007 and PB010 to PB012."""
    for cls in code.playbooks():
        for method in methods(cls).values():
            yield from _unreached(code, method)
            yield from _unbounded(code, method)
            yield from _hidden(code, method)
            yield from _unsaid(code, method)


def _unreached(code: Code, method: Function) -> Iterator[Finding]:
    for node in ast.walk(method):
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if not isinstance(body, list):
                continue
            for one, after in pairwise(body):
                if isinstance(one, ast.stmt) and _leaves(one):
                    what = type(one).__name__.lower()
                    said = f"nothing goes on after the {what} of line {one.lineno}"
                    yield found(
                        code, after, "PB010", said, f"it before the {what}, or take it away"
                    )
                    break


def _leaves(node: ast.stmt) -> bool:
    """Whether nothing goes on after *node*."""
    match node:
        case ast.Return() | ast.Raise() | ast.Break() | ast.Continue():
            return True
        case ast.If(body=body, orelse=orelse):
            return bool(orelse) and _leaves(body[-1]) and _leaves(orelse[-1])
        case ast.While(test=ast.Constant(value=value)):
            return bool(value) and not any(isinstance(n, ast.Break) for n in ast.walk(node))
    return False


def _unbounded(code: Code, method: Function) -> Iterator[Finding]:
    for node in ast.walk(method):
        if (
            isinstance(node, ast.While)
            and isinstance(node.test, ast.Constant)
            and node.test.value
            and not any(step_of(call) in _PAUSES for part in node.body for call in _within(part))
        ):
            yield found(
                code, node, "PB011", "a loop without an end that never waits",
                'await workflow.sleep(timedelta(minutes=1), summary="…") in it, and a time to give up',
            )  # fmt: skip


def _within(node: ast.AST) -> Iterator[ast.Call]:
    return calls(node)


def _hidden(code: Code, method: Function) -> Iterator[Finding]:
    for node in ast.walk(method):
        if not isinstance(node, ast.ExceptHandler):
            continue
        types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
        caught = {dotted(one).rpartition(".")[2] if one else "" for one in types}
        if caught & (_HIDING | {""}) and all(_is_nothing(one) for one in node.body):
            name = ", ".join(sorted(caught)).strip(", ") or "everything"
            yield found(
                code, node, "PB012", f"except {name} says nothing: nobody learns that it was refused",
                'except Refused as refused: await self.announce("not done", refused.message)',
            )  # fmt: skip


def _is_nothing(node: ast.stmt) -> bool:
    if isinstance(node, (ast.Pass, ast.Continue, ast.Break)):
        return True
    if isinstance(node, ast.Return):
        return node.value is None or isinstance(node.value, ast.Constant)
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _unsaid(code: Code, method: Function) -> Iterator[Finding]:
    for node in ast.walk(method):
        if isinstance(node, ast.Call) and code.means(node.func) == "asyncio.sleep":
            yield found(
                code, node, "PB007", "asyncio.sleep is a durable timer that does not say what it is for",
                'await workflow.sleep(timedelta(…), summary="…")',
            )  # fmt: skip
