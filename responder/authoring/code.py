"""A playbook's file as its author wrote it: parsed, never executed."""

import ast
import inspect
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from responder.contract import Action, Lookup
from responder.policy.tiers import Tier

Function = ast.FunctionDef | ast.AsyncFunctionDef
STEPS = frozenset(
    {"do", "do_in_waves", "look_up", "announce", "escalate", "contained", "sleep", "wait_condition"}
)
WORDS = STEPS - {"sleep", "wait_condition"}


@dataclass(frozen=True)
class Kind:
    """What lint and graphs need to know of an action or a lookup."""

    name: str
    changes: bool = True
    reversible: bool = True
    lasts: str = ""
    held: bool = True  # whether a lease ends it though the playbook does not say when
    tier: Tier = Tier.T2


def kinds_of(
    actions: dict[str, type[Action[Any]]], lookups: dict[str, type[Lookup[Any]]]
) -> dict[str, Kind]:
    """The kinds of the catalogue, by their names."""
    known = {name: Kind(name, changes=False) for name in lookups}
    for name, kind in actions.items():
        lasts = kind.model_fields["lasts"].default
        known[name] = Kind(
            name,
            reversible=kind.reversible,
            lasts="" if lasts is None else str(lasts),
            held=not kind.reversible or lasts is not None,
            tier=kind.tier,
        )
    return known


@dataclass
class Code:
    """One file."""

    path: Path
    text: str
    tree: ast.Module
    siblings: dict[str, "Code"] = field(default_factory=dict)

    @classmethod
    def at(cls, path: Path) -> "Code":
        """The file at *path*. Raises `SyntaxError` if it is not Python, `OSError` if it is not there."""
        text = path.read_text()
        return cls(path, text, ast.parse(text, str(path)))

    @classmethod
    def of(cls, playbook: type) -> "Code":
        """The file that *playbook* was loaded from."""
        return cls.at(Path(inspect.getsourcefile(playbook) or ""))

    @cached_property
    def lines(self) -> list[str]:
        """Its lines."""
        return self.text.splitlines()

    @cached_property
    def imported(self) -> dict[str, str]:
        """What each imported name stands for: `{"now": "datetime.datetime"}`."""
        found = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for one in node.names:
                    whole = one.name if one.asname else one.name.partition(".")[0]
                    found[one.asname or whole] = whole
            elif isinstance(node, ast.ImportFrom) and not node.level:
                for one in node.names:
                    found[one.asname or one.name] = f"{node.module}.{one.name}"
        return found

    @cached_property
    def functions(self) -> dict[str, Function]:
        """The functions of the file itself, by name."""
        return {
            n.name: n
            for n in self.tree.body
            if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))
        }

    @cached_property
    def constants(self) -> dict[str, ast.expr]:
        """What is assigned once at the top of the file."""
        return {
            target.id: node.value
            for node in self.tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }

    def playbooks(self) -> Iterator[ast.ClassDef]:
        """The classes that answer something."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.ClassDef) and (
                any(k.arg == "answers" for k in node.keywords)
                or any(dotted(base).split(".")[-1] == "Playbook" for base in node.bases)
            ):
                yield node

    def named(self, name: str) -> ast.ClassDef:
        """The playbook of that class name. Raises `KeyError` if the file has none."""
        for one in self.playbooks():
            if one.name == name:
                return one
        raise KeyError(name)

    def means(self, node: ast.expr) -> str:
        """The full dotted name that *node* stands for by the file's imports: `datetime.datetime.now`."""
        said = dotted(node)
        first, dot, rest = said.partition(".")
        return f"{self.imported.get(first, first)}{dot}{rest}"

    def elsewhere(self, name: str) -> tuple["Code", Function] | None:
        """A function that was imported from a file beside this one."""
        module, _, function = self.imported.get(name, "").rpartition(".")
        path = self.path.parent / f"{module.rpartition('.')[2]}.py"
        if not module or not path.is_file():
            return None
        if module not in self.siblings:
            self.siblings[module] = Code.at(path)
        beside = self.siblings[module]
        found = beside.functions.get(function)
        return (beside, found) if found else None


def dotted(node: ast.AST) -> str:
    """`a.b.c` as it is written; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    if isinstance(node, ast.Subscript):
        return dotted(node.value)
    return ""


def methods(cls: ast.ClassDef) -> dict[str, Function]:
    """The methods of a class, by name."""
    return {n.name: n for n in cls.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}


def step_of(call: ast.Call) -> str:
    """Which step a call is: `do`, `sleep`…; empty if it is none."""
    said = dotted(call.func)
    owner, _, name = said.rpartition(".")
    if name in WORDS and owner and owner not in ("asyncio", "workflow"):
        return name
    if said in ("workflow.sleep", "asyncio.sleep"):
        return "sleep"
    return "wait_condition" if said == "workflow.wait_condition" else ""


def calls(node: ast.AST) -> Iterator[ast.Call]:
    """Every call in *node*, in the order of the text; not what a lambda or an inner function holds."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.Lambda, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        yield from calls(child)
    if isinstance(node, ast.Call):
        yield node


@dataclass(frozen=True)
class Named:
    """An action or a lookup that a step names, and where it is constructed."""

    kind: Kind
    call: ast.Call


def named_in(
    node: ast.AST, code: Code, inside: Function | None, known: dict[str, Kind]
) -> list[Named]:
    """The actions and lookups that *node* constructs, also through a variable or a function of the file."""
    found: list[Named] = []
    seen: set[str] = set()

    def look(part: ast.AST) -> None:
        for inner in ast.walk(part):
            if isinstance(inner, ast.Call):
                said = code.means(inner.func).split(".")
                name = next((part for part in said[-1:-3:-1] if part in known), "")
                if name in known and all(one.call is not inner for one in found):
                    found.append(Named(known[name], inner))
            if isinstance(inner, ast.Name) and inner.id not in seen:
                seen.add(inner.id)
                for value in _assigned(inner.id, inside):
                    look(value)
                if (function := code.functions.get(inner.id)) is not None:
                    for statement in function.body:
                        look(statement)

    look(node)
    return found


def _assigned(name: str, inside: Function | None) -> Iterator[ast.expr]:
    for node in ast.walk(inside) if inside is not None else ():
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr, ast.AugAssign)):
            if isinstance(node.target, ast.Name) and node.target.id == name and node.value:
                yield node.value
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("append", "extend")
            and dotted(node.func.value) == name
        ):
            yield from node.args
