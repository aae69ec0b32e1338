"""What a playbook is, for people and programs: what it answers, uses, asks and holds. Read from its code."""

import inspect
from typing import Any

from responder.authoring.code import Code, kinds_of
from responder.authoring.drawing import draw
from responder.authoring.graph import Graph
from responder.verbs.context import Kinds
from responder.workflows.playbook import Playbook

Json = dict[str, Any]


def playbook_named(kinds: Kinds, name: str) -> type[Playbook] | None:
    """The playbook by its class's name, its file's or what it answers; None if there is none."""
    for kind in kinds.playbooks.values():
        if name in (kind.__name__, kind.__module__.rpartition(".")[2]):
            return kind
    answering = [kind for kind in kinds.playbooks.values() if kind.answers == name]
    return answering[0] if answering else None


def graph_of(kinds: Kinds, playbook: type[Playbook]) -> Graph:
    """The playbook, drawn."""
    code = Code.of(playbook)
    return draw(code, code.named(playbook.__name__), kinds_of(kinds.actions, kinds.lookups))


def brief(playbook: type[Playbook]) -> Json:
    """One line of the list."""
    within = playbook.contain_within
    return {
        "name": playbook.__name__,
        "answers": playbook.answers,
        "priorities": [p.value for p in playbook.priorities],
        "contain_within_seconds": within.total_seconds() if within else None,
        "says": (inspect.getdoc(playbook) or "").partition("\n")[0],
        "module": playbook.__module__,
    }


def whole(kinds: Kinds, playbook: type[Playbook]) -> Json:
    """All of it: also why, what it uses with tier, permissions and D3FEND technique, and what it asks."""
    graph = graph_of(kinds, playbook)
    module = inspect.getmodule(playbook)
    used = list(dict.fromkeys(name for node in graph.nodes.values() for name in node.names))
    return brief(playbook) | {
        "about": (inspect.getdoc(module) or "").strip(),
        "doc": inspect.getdoc(playbook) or "",
        "attack": list(getattr(playbook, "attack", ())),
        "actions": [_action(kinds, name) for name in used if name in kinds.actions],
        "lookups": [name for name in used if name in kinds.lookups],
        "asks": [
            {"tier": node.title[:2], "actions": list(node.names), "needs": node.details[0]}
            for node in graph.nodes.values()
            if node.kind == "ask"
        ],
        "steps": sum(1 for n in graph.nodes.values() if n.kind in ("do", "do_in_waves")),
    }


def _action(kinds: Kinds, name: str) -> Json:
    kind = kinds.actions[name]
    lasts = kind.model_fields["lasts"].default
    return {
        "name": name,
        "says": (inspect.getdoc(kind) or "").partition("\n")[0],
        "tier": kind.tier.value,
        "reversible": kind.reversible,
        "lasts_seconds": lasts.total_seconds() if lasts else None,
        "permissions": list(kind.permissions),
        "d3fend": kind.d3fend,
    }
