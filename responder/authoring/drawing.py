"""From a playbook's code to its graph: statement by statement, nothing executed."""

import ast
from dataclasses import dataclass, field

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
from responder.authoring.graph import END, Graph, Node, Place, instead
from responder.authoring.wording import condition, length, loop, ruled, short, spoken, words

_ASKED = 2  # the tier from which people are asked, by the default policy
_DEEP = 6  # how far functions that call functions are followed
DENIED = "denied, or nobody answers"
Ends = list[tuple[str, str]]  # nodes that go on to what comes next, each with its edge's label
_REFUSALS = {"Refused"}
_ERRORS = {"Drifted", "Unverified", "Unreachable", "ActionError", "ResponderError", "Exception",
           "BaseException"}  # fmt: skip


@dataclass
class _Scope:
    """The function whose statements are being drawn."""

    code: Code
    function: Function
    own: dict[str, Function]
    deep: int = 0
    returns: Ends = field(default_factory=list)


@dataclass
class _Loop:
    again: str
    left: Ends = field(default_factory=list)


@dataclass
class _Handler:
    """An `except` clause that a step may be continued by."""

    names: set[str]
    entries: Ends = field(default_factory=list)


class Drawing:
    """Draws one playbook."""

    def __init__(self, code: Code, cls: ast.ClassDef, known: dict[str, Kind]) -> None:
        self._code, self._class, self._known = code, cls, known
        doc = (ast.get_docstring(cls) or "").strip().partition("\n")[0]
        self.graph = Graph(cls.name, doc)
        self._loops: list[_Loop] = []
        self._handlers: list[list[_Handler]] = []

    def draw(self) -> Graph:
        """The graph."""
        said = {k.arg: k.value for k in self._class.keywords}
        answers = said.get("answers")
        title = str(answers.value) if isinstance(answers, ast.Constant) else self._class.name
        within = said.get("contain_within")
        clock = "contain clock of the priority"
        if within is not None and not (isinstance(within, ast.Constant) and within.value is None):
            clock = f"contain within {length(within, self._code.constants)}"
        start = self.graph.add("start", title, clock)
        own = methods(self._class)
        ends: Ends = [(start.id, "")]
        if "run" in own:
            scope = _Scope(self._code, own["run"], own)
            ends = self._body(own["run"].body, ends, scope) + scope.returns
        end = self.graph.add("end", "the run ends", "leases go on", place=END)
        self._lead(ends, end.id)
        return self.graph

    def _lead(self, ends: Ends, to: str, *, back: bool = False) -> None:
        for source, label in ends:
            self.graph.join(source, to, label, back=back)

    def _body(self, body: list[ast.stmt], ends: Ends, scope: _Scope) -> Ends:
        for statement in body:
            if not ends:
                return []
            ends = self._statement(statement, ends, scope)
        return ends

    def _statement(  # noqa: C901, PLR0911, PLR0912 - one case a kind of statement
        self, node: ast.stmt, ends: Ends, scope: _Scope
    ) -> Ends:
        match node:
            case ast.If():
                return self._if(node, ends, scope)
            case ast.For() | ast.AsyncFor():
                ends = self._steps(node.iter, ends, scope)
                return self._loop(node, loop(node), ends, scope)
            case ast.While():
                return self._loop(node, loop(node), ends, scope)
            case ast.Try():
                return self._try(node, ends, scope)
            case ast.With() | ast.AsyncWith():
                for item in node.items:
                    ends = self._steps(item.context_expr, ends, scope)
                return self._body(node.body, ends, scope)
            case ast.Match():
                return self._match(node, ends, scope)
            case ast.Return():
                if node.value is not None:
                    ends = self._steps(node.value, ends, scope)
                scope.returns += ends
                return []
            case ast.Raise():
                return self._raise(node, ends, scope)
            case ast.Break() if self._loops:
                self._loops[-1].left += ends
                return []
            case ast.Continue() if self._loops:
                self._lead(ends, self._loops[-1].again, back=True)
                return []
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return ends
        return self._steps(node, ends, scope)

    def _matters(self, node: ast.AST, scope: _Scope) -> bool:
        """Whether something in *node* is a step, or changes what comes next."""
        for inner in ast.walk(node):
            if isinstance(inner, (ast.Return, ast.Raise, ast.Break, ast.Continue)):
                return True
            if isinstance(inner, ast.Call) and (
                step_of(inner) or self._called(inner, scope) is not None
            ):
                return True
        return False

    def _if(self, node: ast.If, ends: Ends, scope: _Scope) -> Ends:
        ends = self._steps(node.test, ends, scope)
        if not any(self._matters(one, scope) for one in (*node.body, *node.orelse)):
            return ends
        fork = self.graph.add("branch", condition(node.test))
        self._lead(ends, fork.id)
        yes = self._body(node.body, [(fork.id, "yes")], scope)
        return yes + self._body(node.orelse, [(fork.id, "no")], scope)

    def _match(self, node: ast.Match, ends: Ends, scope: _Scope) -> Ends:
        ends = self._steps(node.subject, ends, scope)
        if not any(self._matters(case, scope) for case in node.cases):
            return ends
        fork = self.graph.add("branch", condition(node.subject))
        self._lead(ends, fork.id)
        found: Ends = []
        for case in node.cases:
            found += self._body(case.body, [(fork.id, ast.unparse(case.pattern))], scope)
        certain = any(
            isinstance(c.pattern, ast.MatchAs) and c.pattern.pattern is None and c.guard is None
            for c in node.cases
        )
        return found if certain else [*found, (fork.id, "else")]

    def _loop(
        self, node: ast.For | ast.AsyncFor | ast.While, title: str, ends: Ends, scope: _Scope
    ) -> Ends:
        if not any(self._matters(one, scope) for one in node.body):
            return self._body(node.orelse, ends, scope)
        head = self.graph.add("loop", title)
        self._lead(ends, head.id)
        inside: Ends = [(head.id, "")]
        if isinstance(node, ast.While):
            inside = self._steps(node.test, inside, scope)
        for_ever = isinstance(node, ast.While) and isinstance(node.test, ast.Constant)
        left: Ends = [] if for_ever else [(one, "then") for one, _ in inside]
        self._loops.append(_Loop(head.id))
        word = "each" if not isinstance(node, ast.While) else "" if for_ever else "while so"
        around = self._body(node.body, [(one, word) for one, _ in inside], scope)
        self._lead(around, head.id, back=True)
        return self._body(node.orelse, left, scope) + self._loops.pop().left

    def _try(self, node: ast.Try, ends: Ends, scope: _Scope) -> Ends:
        handlers = [_Handler(_caught(handler)) for handler in node.handlers]
        self._handlers.append(handlers)
        ends = self._body(node.body, ends, scope)
        self._handlers.pop()
        ends = self._body(node.orelse, ends, scope)
        for handler, clause in zip(handlers, node.handlers, strict=True):
            ends = ends + self._body(clause.body, handler.entries, scope)
        return self._body(node.finalbody, ends, scope) if ends else ends

    def _raise(self, node: ast.Raise, ends: Ends, scope: _Scope) -> Ends:
        if node.exc is not None:
            ends = self._steps(node.exc, ends, scope)
        name = dotted(node.exc.func if isinstance(node.exc, ast.Call) else node.exc or node)
        for handlers in reversed(self._handlers):
            for handler in handlers:
                if name in handler.names or "Exception" in handler.names:
                    handler.entries += ends
                    return []
        stop = self.graph.add("raise", f"stops: {name or 'as it was'}", "people are told")
        self._lead(ends, stop.id)
        return []

    def _steps(self, node: ast.AST, ends: Ends, scope: _Scope) -> Ends:
        """The steps of an expression or a plain statement, in the order of the text."""
        for call in calls(node):
            if not ends:
                break
            if word := step_of(call):
                ends = self._step(word, call, ends, scope)
                self._repeated(node, call, ends[0][0])
            elif (called := self._called(call, scope)) is not None:
                code, function = called
                inner = _Scope(code, function, scope.own, scope.deep + 1)
                loops, self._loops = self._loops, []
                ends = self._inlined(node, call, function, ends, inner)
                self._loops = loops
        return ends

    def _inlined(
        self, node: ast.AST, call: ast.Call, function: Function, ends: Ends, inner: _Scope
    ) -> Ends:
        """The steps of a function of ours, where it is called."""
        each = _each(node, call)
        if each is None:
            after = self._body(function.body, ends, inner) + inner.returns
            return [*ends, *after] if _beside(node, call) else after
        head = self.graph.add("loop", each)
        self._lead(ends, head.id)
        after = self._body(function.body, [(head.id, "each")], inner) + inner.returns
        self._lead(after, head.id, back=True)
        return [(head.id, "then")]

    def _repeated(self, node: ast.AST, call: ast.Call, name: str) -> None:
        """Mark a step that is done for each of something, or not at all."""
        drawn = self.graph.nodes[name]
        if (each := _each(node, call)) is not None:
            drawn.maybe, drawn.details = True, (each, *drawn.details)
            self.graph.join(name, name, back=True)
        for outer in ast.walk(node):
            test = outer.test if isinstance(outer, ast.IfExp) else None
            test = outer.values[0] if isinstance(outer, ast.BoolOp) else test
            if test is not None and _holds(outer, call) and not _holds(test, call):
                drawn.maybe = True

    def _called(self, call: ast.Call, scope: _Scope) -> tuple[Code, Function] | None:
        """A function of ours that holds steps of its own."""
        name = dotted(call.func)
        found: tuple[Code, Function] | None = None
        if name.startswith("self.") and (own := scope.own.get(name[5:])) is not None:
            found = (self._code, own)
        elif (function := scope.code.functions.get(name)) is not None:
            found = (scope.code, function)
        elif name and "." not in name:
            found = scope.code.elsewhere(name)
        if found is None or scope.deep >= _DEEP or found[1] is scope.function:
            return None
        inner = _Scope(found[0], found[1], scope.own, scope.deep + 1)
        holds = any(
            isinstance(one, ast.Call) and (step_of(one) or self._called(one, inner))
            for one in ast.walk(found[1])
        )
        return found if holds else None

    def _step(self, word: str, call: ast.Call, ends: Ends, scope: _Scope) -> Ends:
        place: Place = (scope.code.path.name, call.lineno, call.col_offset)
        found = named_in(call, scope.code, scope.function, self._known)
        found = [one for one in found if one.kind.changes == (word != "look_up")]
        names = tuple(dict.fromkeys(one.kind.name for one in found))
        title, details = spoken(word, call, found, scope.code)
        ask: Node | None = None
        worst = max((one.kind.tier for one in found if one.kind.changes), default=None)
        if word in ("do", "do_in_waves") and worst is not None and worst.rank >= _ASKED:
            ask = self.graph.add(
                "ask", f"{worst.value}: people are asked", ruled(worst), place=place
            )
            ask.names = names
            self._lead(ends, ask.id)
            ends = [(ask.id, "approved")]
        node = self.graph.add(word, title, *details, place=place)
        node.names = names
        node.says = _literal(call)
        self._lead(ends, node.id)
        instead = next((k.value for k in call.keywords if k.arg == "otherwise"), None)
        if instead is not None:
            return [(node.id, ""), *self._instead(ask, node, words(instead))]
        if word not in ("sleep", "wait_condition"):
            self._excepted(ask, node)
        elif word == "wait_condition":
            self._caught_by({"TimeoutError"}, node, "too late")
        return [(node.id, "")]

    def _instead(self, ask: Node | None, node: Node, said: str) -> Ends:
        """What people are told where `otherwise` has the playbook go on."""
        assert node.place is not None
        told = self.graph.add("announce", "tell security loudly", said, place=instead(node.place))
        told.says, told.maybe = said, True
        if ask is not None:
            self.graph.join(ask.id, told.id, DENIED)
        self.graph.join(node.id, told.id, "refused" if ask is None else "refused, or drifted")
        return [(told.id, "")]

    def _excepted(self, ask: Node | None, node: Node) -> None:
        """Where it goes on when it is refused, or goes wrong."""
        caught = self._caught_by(_REFUSALS, ask or node, DENIED if ask else "refused")
        self._caught_by(_ERRORS, node, "goes wrong")
        if ask is not None and not caught:
            stop = self.graph.add("raise", "the playbook stops", "people are told; clocks go on")
            self.graph.join(ask.id, stop.id, DENIED)

    def _caught_by(self, names: set[str], node: Node, label: str) -> bool:
        caught = False
        for handlers in reversed(self._handlers):
            for handler in handlers:
                if not handler.names & names:
                    continue
                caught = True
                entry = (node.id, label)
                if entry not in handler.entries:
                    handler.entries.append(entry)
        return caught


def _caught(handler: ast.ExceptHandler) -> set[str]:
    match handler.type:
        case None:
            return {"BaseException", "Exception", *_REFUSALS}
        case ast.Tuple(elts=parts):
            names = {dotted(part).rpartition(".")[2] for part in parts}
        case one:
            names = {dotted(one).rpartition(".")[2]}
    if names & {"Exception", "BaseException", "ActionError", "ResponderError"}:
        names |= _REFUSALS
    return names


def _holds(node: ast.AST, call: ast.Call) -> bool:
    return any(inner is call for inner in ast.walk(node))


def _each(node: ast.AST, call: ast.Call) -> str | None:
    """What *call* is done for each of, in a comprehension."""
    for outer in ast.walk(node):
        if (
            isinstance(outer, (ast.GeneratorExp, ast.ListComp, ast.SetComp, ast.DictComp))
            and _holds(outer, call)
            and not _holds(outer.generators[0].iter, call)
        ):
            one = outer.generators[0]
            return f"for each {short(f'{ast.unparse(one.target)} of {ast.unparse(one.iter)}')}"
    return None


def _beside(node: ast.AST, call: ast.Call) -> bool:
    """Whether *call* is begun as a task of its own, beside what follows."""
    return any(
        isinstance(outer, ast.Call)
        and dotted(outer.func).rpartition(".")[2] in ("create_task", "gather", "ensure_future")
        and any(_holds(part, call) for part in outer.args)
        for outer in ast.walk(node)
    )


def _literal(call: ast.Call) -> str:
    """The longest part of what is said that is known beforehand."""
    first = next(iter(call.args), None)
    if isinstance(first, ast.Constant) and isinstance(first.value, str):
        return first.value
    if isinstance(first, ast.JoinedStr):
        parts = [str(p.value) for p in first.values if isinstance(p, ast.Constant)]
        return max(parts, key=len, default="").strip()
    return ""


def draw(code: Code, cls: ast.ClassDef, known: dict[str, Kind]) -> Graph:
    """The graph of one playbook of *code*."""
    return Drawing(code, cls, known).draw()
