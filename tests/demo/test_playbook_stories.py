"""The story of each playbook's example: told whole, to the end of its leases, and said to be imagined."""

from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from playbooks import _NAMES, PLAYBOOKS
from responder.authoring.examples import example_of
from responder.demo.rehearsed import introduce, tell
from responder.demo.teller import Teller
from responder.errors import StateError
from responder.rehearsal.program import rehearse
from responder.rehearsal.wish import Json, wish_of
from responder.workflows.playbook import Playbook
from tests.cli.conftest import Run, run
from tests.e2e.paging_playbook import WantsTheCiso

__all__ = ["run"]

ROOT = Path(__file__).parents[2]
EACH = [pytest.param(kind, id=name) for name, kind in zip(_NAMES, PLAYBOOKS, strict=True)]
WITHIN_A_CHAPTER = "What is done about it", "What follows"


async def story(
    playbook: type[Playbook], answers: str = "approve", priority: str = ""
) -> tuple[Json, str]:
    """What the rehearsal came to, and what a person reads of it."""
    example = example_of(playbook)
    days = timedelta(days=30)
    body = example.read_bytes()
    wish = wish_of(body, "generic", playbook.__name__, priority, answers, days)
    found = await rehearse(wish | {"attended": True})
    said = StringIO()
    teller = Teller(Console(file=said, width=100))
    introduce(teller, playbook, wish, example.relative_to(ROOT))
    tell(teller, found)
    return found, said.getvalue()


@pytest.mark.parametrize("playbook", EACH)
async def test_every_playbook_has_a_story_that_comes_to_its_end(playbook: type[Playbook]) -> None:
    found, read = await story(playbook)
    [incident] = found["incidents"]
    assert [run["state"] for run in incident["runs"]] == ["done"], incident["runs"]
    assert incident["status"] == "closed: resolved"
    assert [one for one in incident["holds"] if one["ended"] is None] == []
    assert {one["outcome"] for one in incident["holds"]} <= {"verified"}
    assert [one["clock"] for one in incident["clocks"] if one["breached"] or not one["met"]] == []
    assert "Imagined: what stands at enforcement points" in read
    assert all(f"  {chapter} ─" in read for chapter in WITHIN_A_CHAPTER)
    assert ("are undone ─" in read) == any(o["ended_by"] == "time" for o in incident["holds"])
    assert read.count("approved ask") >= incident["asks"]
    plans = [d for one in found["lines"] for d in one["details"] if " → " in d]
    assert len(plans) >= len(incident["holds"]), "each change was shown with its before and after"


async def test_what_is_denied_is_not_done_and_what_nobody_answers_expires() -> None:
    [playbook] = [one for one in PLAYBOOKS if one.__name__ == "MalwareOnHost"]
    found, read = await story(playbook, "deny")
    assert "denied ask" in read
    assert "isolate build-1" not in [one["summary"] for one in found["incidents"][0]["holds"]]
    assert "deny what they are asked" in " ".join(read.split())
    found, read = await story(playbook, "nobody")
    assert "approved ask" not in read
    assert "isolate build-1" not in [one["summary"] for one in found["incidents"][0]["holds"]]
    [clock] = [one for one in found["incidents"][0]["clocks"] if one["clock"] == "approve"]
    assert clock["breached"]
    assert "breached +0" in read


def test_it_is_told_by_the_command(run: Run, tmp_path: Path) -> None:
    picture = tmp_path / "story.svg"
    said = run("demo", "--playbook", "policy_violation", "--picture", str(picture))
    assert (said.status, said.err) == (0, "")
    assert "PolicyViolation, rehearsed ─" in said.out
    assert "Nothing is reached, nothing is changed." in " ".join(said.out.split())
    assert "P4 INC-" in said.out
    assert "responder simulate --alert" in said.out
    assert picture.read_text().startswith("<svg ")


def test_a_wrong_name_is_exit_2_with_the_right_ones(run: Run) -> None:
    said = run("demo", "--playbook", "nope")
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("no playbook is called 'nope'; known: access_key_rotation, ")
    assert all(name in said.err for name in _NAMES)
    assert run("demo", "--playbook", "drill", "--keep").status == 2


def test_a_playbook_without_an_example_says_where_it_looked() -> None:
    with pytest.raises(
        StateError, match=r"has no example alert: expected .*alerts/paging_playbook.json"
    ):
        example_of(WantsTheCiso)
