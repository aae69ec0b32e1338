import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from responder.incident import Incident, Indicators, Priority
from responder.policy.networks import parse_network
from responder.policy.shared import Shared
from responder.proposal import proposed
from responder.triage import Rule

AT = datetime(2026, 3, 4, tzinfo=UTC)
BEFORE = "triage:\n  rules:\n    - words: [mine]\n      category: data_leak\nshared:\n"


def incident(title: str = "SSH brute force", *networks: str) -> Incident:
    return Incident(
        id="INC-2026-0001", title=title, priority=Priority.P2, category="authentication_attack",
        subject="203.0.113.7", began=AT, opened=AT,
        indicators=Indicators(networks=tuple(parse_network(n) for n in networks)),
    )  # fmt: skip


def applied(said: str, folder: Path) -> dict[str, object]:
    """The settings file with every proposed diff in *said* applied, as a reviewer would."""
    file = folder / "responder.yaml"
    file.write_text(BEFORE)
    for part in said.split("--- a/")[1:]:
        diff = "--- a/" + part.split("\n\n")[0] + "\n"
        done = subprocess.run(
            ("patch", "-p1", "--no-backup-if-mismatch"), input=diff, text=True, cwd=folder,
            capture_output=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = yaml.safe_load(file.read_text())
    return found


@pytest.mark.skipif(shutil.which("patch") is None, reason="not here: patch")
@pytest.mark.parametrize(
    "title", ["SSH brute force", 'a "quoted": title # [x', "\u202eesrever title"]
)
def test_both_diffs_apply_and_are_settings(title: str, tmp_path: Path) -> None:
    found = applied(proposed(incident(title, "203.0.113.7", "2001:db8::/64")), tmp_path)
    first, _ = found["triage"]["rules"]  # type: ignore[index]
    rule = Rule.model_validate(first)
    assert (rule.words, rule.category, rule.priority) == ((title,), "authentication_attack", "P2")
    [shared] = [Shared.model_validate(one) for one in found["shared"]]  # type: ignore[attr-defined]
    assert [str(n) for n in shared.networks] == ["203.0.113.7/32", "2001:db8::/64"]
    assert shared.shorten_to is None


@pytest.mark.parametrize("title", ["", "short", "two\nlines of a title", "  spaces around it  "])
def test_a_title_that_would_fit_too_much_or_is_no_line_proposes_no_rule(title: str) -> None:
    assert "triage:" not in proposed(incident(title, "203.0.113.7"))
    assert "Nothing in this incident" in proposed(incident(title))


def test_it_says_that_nothing_was_changed() -> None:
    assert "Nothing was changed." in proposed(incident())
    assert "shared:" not in proposed(incident())
