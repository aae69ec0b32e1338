"""What a drawing shows: questions, leases, clocks, branches; as mermaid, as a picture, and with what happened."""

# mypy: allow-untyped-defs, allow-incomplete-defs

import re
from xml.etree import ElementTree as ET

import pytest

from playbooks import PLAYBOOKS
from responder.authoring.code import Code, Kind
from responder.authoring.drawing import draw
from responder.authoring.graph import Graph
from responder.authoring.mermaid import mermaid
from responder.authoring.overlay import overlay
from responder.authoring.svg import svg
from responder.testing import RunPlaybook
from responder.workflows.playbook import Playbook
from tests.authoring.test_lint import written


def graph_of(playbook: type[Playbook], known: dict[str, Kind]) -> Graph:
    code = Code.of(playbook)
    return draw(code, code.named(playbook.__name__), known)


def drawn(tmp_path, body: str, known: dict[str, Kind]) -> Graph:
    code = Code.at(written(tmp_path, body))
    return draw(code, code.named("Mine"), known)


def edges(graph: Graph) -> set[tuple[str, str, str]]:
    title = {node.id: node.title for node in graph.nodes.values()}
    return {(title[e.source], title[e.target], e.label) for e in graph.edges}


def test_a_question_has_a_way_for_yes_and_one_for_no(tmp_path, known: dict[str, Kind]) -> None:
    body = (
        "try:\n    await self.do(Isolate(host='a', lasts=timedelta(hours=8)))\n"
        "except Refused as no:\n    await self.announce('not isolated', no.message)"
    )
    found = edges(drawn(tmp_path, body, known))
    assert ("T2: people are asked", "Isolate", "approved") in found
    assert ("T2: people are asked", "tell security", "denied, or nobody answers") in found


def test_who_catches_no_refusal_is_shown_to_stop(tmp_path, known: dict[str, Kind]) -> None:
    found = edges(drawn(tmp_path, "await self.do(Isolate(host='a'))", known))
    assert ("T2: people are asked", "the playbook stops", "denied, or nobody answers") in found


def test_leases_waits_and_the_clock_are_in_the_text(tmp_path, known: dict[str, Kind]) -> None:
    body = (
        "await self.do(Block(network='203.0.113.7', lasts=timedelta(hours=24)))\n"
        "await workflow.sleep(timedelta(minutes=30), summary='a watch')\nawait self.contained()"
    )
    text = mermaid(drawn(tmp_path, body, known))
    for words in ("lease: 24 h, then undone", "wait 30 min", "a watch", "contain clock"):
        assert words in text


def test_loops_come_back_and_helpers_are_followed(tmp_path, known: dict[str, Kind]) -> None:
    body = "for host in incident.hosts:\n    await self.look_up(Connections(host=host))\nreturn"
    graph = drawn(tmp_path, body, known)
    assert any(edge.back for edge in graph.edges)
    assert ("for each host of incident.hosts", "the run ends", "then") in edges(graph)


def test_what_an_author_wrote_can_not_break_the_text(tmp_path, known: dict[str, Kind]) -> None:
    hostile = 'await self.announce(\'"] end; click n0 "javascript:alert(1)" <b> # `x`\')'
    text = mermaid(drawn(tmp_path, hostile, known))
    assert "<b>" not in text
    for line in text.splitlines()[2:]:
        assert line.count('"') in (0, 2), line


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda p: p.__name__)
def test_every_playbook_can_be_drawn_and_every_node_be_reached(
    playbook: type[Playbook], known: dict[str, Kind]
) -> None:
    graph = graph_of(playbook, known)
    reached, waiting, following = {"n0"}, ["n0"], graph.following()
    while waiting:
        for edge in following.get(waiting.pop(), []):
            if edge.target not in reached:
                reached.add(edge.target)
                waiting.append(edge.target)
    assert reached == set(graph.nodes)
    text = mermaid(graph)
    assert len(re.findall(r"-->", text)) == len(graph.edges)
    picture = ET.fromstring(svg(graph))  # noqa: S314 - our own picture
    titles = {t.text for t in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {node.title for node in graph.nodes.values()} <= titles


@pytest.mark.parametrize("playbook", PLAYBOOKS, ids=lambda p: p.__name__)
def test_no_two_boxes_of_a_picture_overlap(
    playbook: type[Playbook], known: dict[str, Kind]
) -> None:
    picture = ET.fromstring(svg(graph_of(playbook, known)))  # noqa: S314 - our own picture
    boxes = []
    for group in picture.iter("{http://www.w3.org/2000/svg}g"):
        for shape in group:
            if shape.tag.endswith("rect"):
                x, y, w, h = (float(shape.get(k, "")) for k in ("x", "y", "width", "height"))
                boxes.append((x, y, x + w, y + h))
            elif shape.tag.endswith("polygon"):
                points = [tuple(map(float, p.split(","))) for p in shape.get("points", "").split()]
                xs, ys = zip(*points, strict=True)
                boxes.append((min(xs), min(ys), max(xs), max(ys)))
    assert len(boxes) > 2
    for number, (a, b, c, d) in enumerate(boxes):
        for e, f, g, h in boxes[number + 1 :]:
            assert c <= e or g <= a or d <= f or h <= b


async def test_an_incident_is_laid_over_its_playbook(
    run_playbook: RunPlaybook, known: dict[str, Kind]
) -> None:
    [attack] = [p for p in PLAYBOOKS if p.__name__ == "AuthenticationAttack"]
    run = await run_playbook(attack, priority="P1", says=lambda _: False)
    graph = graph_of(attack, known)
    assert overlay(graph, run.facts) == 1
    passed = {node.title: node.passed for node in graph.nodes.values()}
    assert passed["Block"] == "step 1: done"
    assert passed["T2: people are asked"] == "denied"
    assert passed["Isolate"] == ""
    assert passed["the run ends"] == "done"
    assert "✔ denied" in mermaid(graph)
    assert "✔ denied" in svg(graph)
    assert overlay(graph, {**run.facts, "runs": []}) == 0
