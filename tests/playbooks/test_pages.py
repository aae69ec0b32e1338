"""Each playbook has its page, and each page an example that leads to its playbook."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from playbooks import _NAMES, PLAYBOOKS
from responder.authoring.code import Code, Kind
from responder.authoring.drawing import draw
from responder.authoring.graph import Graph
from responder.durations import parsed
from responder.incident import Alert
from responder.rehearsal.wish import wish_of
from responder.rotation import Schedule
from responder.triage import CATEGORIES, Triage, assess
from responder.workflows.playbook import Playbook

ROOT = Path(__file__).parent.parent.parent
HEADINGS = [
    "What it answers",
    "What it does",
    "What it asks first",
    "What it undoes and when",
    "Try it",
]
EACH = [pytest.param(name, kind, id=name) for name, kind in zip(_NAMES, PLAYBOOKS, strict=True)]


def page(name: str) -> str:
    return (ROOT / "docs" / "playbooks" / f"{name}.md").read_text()


@pytest.mark.parametrize(("name", "playbook"), EACH)
def test_its_page_has_every_heading_in_order(name: str, playbook: type[Playbook]) -> None:
    assert re.findall(r"^## (.*)$", page(name), re.MULTILINE) == HEADINGS
    assert f"`{playbook.answers}`" in page(name)


@pytest.mark.parametrize(("name", "playbook"), EACH)
def test_its_page_names_the_techniques_that_it_answers(name: str, playbook: type[Playbook]) -> None:
    found = re.search(r"^ATT&CK: (.*)\.$", page(name), re.MULTILINE)
    assert tuple(found[1].split(", ") if found else ()) == playbook.attack


@pytest.mark.parametrize(("name", "playbook"), EACH)
def test_its_example_leads_to_it(
    name: str, playbook: type[Playbook], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("os.environ", {"RESPONDER_STATE": str(tmp_path)})
    assert f"--alert examples/alerts/{name}.json --source generic " in page(name)
    body = (ROOT / "examples" / "alerts" / f"{name}.json").read_bytes()
    wish = wish_of(body, "generic", "", "", "approve", parsed("6h"))
    [alert] = [Alert.model_validate(one) for one in wish["alerts"]]
    made = assess(alert, Triage(), "generic")
    assert (made.category, made.dismissed) == (playbook.answers, None)
    assert made.priority in playbook.priorities
    assert alert.occurred == datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert wish["imagined"] == list(alert.hosts)


@pytest.mark.parametrize("name", ["access_review", "drill"])
def test_its_schedule_is_one(name: str) -> None:
    found = re.search(r"^```yaml\n(.*?)^```$", page(name), re.DOTALL | re.MULTILINE)
    assert found
    [schedule] = [Schedule.model_validate(one) for one in yaml.safe_load(found[1])["schedules"]]
    assert schedule.category == name


def test_there_is_a_playbook_for_every_category_and_no_page_or_example_without_one() -> None:
    assert {playbook.answers for playbook in PLAYBOOKS} == set(CATEGORIES)
    assert {path.stem for path in (ROOT / "docs" / "playbooks").iterdir()} == set(_NAMES)
    assert {path.stem for path in (ROOT / "examples" / "alerts").iterdir()} == set(_NAMES)


# Nobody judged an alert to begin these: there is nothing that rules could learn from them.
BY_PLAN = {"access_key_rotation", "certificate_rotation", "drill", "key_rotation"}


@pytest.mark.parametrize(("name", "playbook"), EACH)
def test_whoever_answers_an_alert_ends_with_a_proposal_for_the_rules_and_its_page_says_so(
    name: str, playbook: type[Playbook], known: dict[str, Kind]
) -> None:
    graph = draw(Code.of(playbook), Code.of(playbook).named(playbook.__name__), known)
    proposals = {n.id for n in graph.nodes.values() if "proposed, not applied" in n.says}
    said = "proposes no change to the rules" not in page(name)
    assert bool(proposals) is said is (name not in BY_PLAN)
    if said:
        assert "propose" in page(name)
        assert without(graph, proposals) == set(), "it can end without a proposal"


def without(graph: Graph, proposals: set[str]) -> set[str]:
    """The end, if it can be reached past all *proposals*."""
    following, seen, waiting = graph.following(), {"n0"}, ["n0"]
    while waiting:
        one = graph.nodes[waiting.pop()]
        for edge in following.get(one.id, []):
            # What runs that began before a patch still do is not what a new one does.
            old = edge.label == "no" and one.title.startswith(("workflow.patched(", "collects?"))
            if edge.target not in seen | proposals and not old:
                seen.add(edge.target)
                waiting.append(edge.target)
    return {one for one in seen if graph.nodes[one].kind == "end"}


def test_no_playbook_is_longer_than_60_lines() -> None:
    lengths = {n: len((ROOT / "playbooks" / f"{n}.py").read_text().splitlines()) for n in _NAMES}
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}
