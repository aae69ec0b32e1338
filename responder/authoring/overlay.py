"""What an incident went through, laid over its playbook's graph."""

from collections.abc import Mapping, Sequence
from typing import Any

from responder.authoring.graph import Graph, Node

Json = Mapping[str, Any]


def overlay(graph: Graph, incident: Json) -> int:
    """
    Mark the nodes that runs of *incident* passed, from its stored facts; returns how many runs there were.

    *incident* is what `GET /api/incidents/{id}` answers. Changes are found by their actions and their
    order, messages by their words; what leaves no row (lookups, waits) is not marked.
    """
    runs = [run for run in incident["runs"] if run["playbook"] == graph.name]
    for run in runs:
        for node in graph.nodes.values():
            if node.kind == "start":
                node.passed = f"{run['id']} began"
            elif node.kind == "end" and run["state"] == "done":
                node.passed = "done"
            elif node.kind == "contained" and run.get("contained"):
                node.passed = f"said at {run['contained'][11:16]} UTC"
        _steps(graph, [s for s in incident["steps"] if s["run"] == run["id"]], incident["asks"])
        if run["state"] == "failed":
            _failed(graph, run)
    _messages(graph, incident["messages"])
    return len(runs)


def _steps(graph: Graph, steps: Sequence[Json], asks: Sequence[Json]) -> None:
    changes = [n for n in graph.nodes.values() if n.kind in ("do", "do_in_waves")]
    questions = [n for n in graph.nodes.values() if n.kind == "ask"]
    at = -1
    for step in sorted(steps, key=lambda one: one["plan"]["step"]):
        plan = step["plan"]
        kinds = {change["request"]["kind"] for change in plan.get("changes", ())}
        fits = [i for i, node in enumerate(changes) if kinds and kinds <= set(node.names)]
        if not fits:
            continue
        at = next((i for i in fits if i > at), fits[0])
        node = changes[at]
        for question in questions:
            for ask in asks:
                if ask["step"] == step["key"] and question.place == node.place:
                    question.passed = str(ask["state"])
        if step["begun"] is not None:
            node.passed = f"step {plan['step']}: {step['state']}"


def _failed(graph: Graph, run: Json) -> None:
    for node in graph.nodes.values():
        if node.kind == "raise":
            node.passed = str(run["said"])[:40]


def _messages(graph: Graph, messages: Sequence[Json]) -> None:
    for node in graph.nodes.values():
        if node.kind in ("announce", "escalate") and (heard := _heard(node, messages)):
            node.passed = f"told at {heard['made'][11:16]} UTC"


def _heard(node: Node, messages: Sequence[Json]) -> Json | None:
    """The message that has the node's words; one whose words are not known beforehand matches none."""
    if len(node.says) < 3:  # noqa: PLR2004 - a colon alone is in every subject
        return None
    return next((m for m in messages if node.says.lower() in m["subject"].lower()), None)
