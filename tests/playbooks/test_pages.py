"""Each playbook has its page, and each page an example that leads to its playbook."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from playbooks import _NAMES, PLAYBOOKS
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


def test_no_playbook_is_longer_than_60_lines() -> None:
    lengths = {n: len((ROOT / "playbooks" / f"{n}.py").read_text().splitlines()) for n in _NAMES}
    assert {name: lines for name, lines in lengths.items() if lines > 60} == {}
