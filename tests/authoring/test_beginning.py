"""A playbook that was just begun is green: lint, its test, a simulated run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from responder.authoring.beginning import begin, next_steps
from responder.authoring.code import Kind
from responder.authoring.lint import lint
from responder.errors import ConfigurationError

ROOT = Path(__file__).parents[2]


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": f"{folder}{os.pathsep}{ROOT}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(folder),
        "RESPONDER_PLAYBOOKS": '["playbooks:PLAYBOOKS", "lost_laptop:PLAYBOOKS"]',
    }
    return subprocess.run(
        (sys.executable, *words), cwd=folder, env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip


def test_what_is_begun_is_green_at_once(tmp_path: Path, known: dict[str, Kind]) -> None:
    folder = tmp_path / "mine"
    written = begin("lost_laptop", folder)
    assert {str(path.relative_to(folder)) for path in written} == {
        "lost_laptop.py", "tests/test_lost_laptop.py", "tests/conftest.py", "alerts/lost_laptop.json",
        "docs/lost_laptop.md", "tests/pytest.ini",
    }  # fmt: skip
    assert lint([folder], known) == []
    tested = call(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stderr == "", "no warning"
    assert "2 passed" in tested.stdout
    alert = "alerts/lost_laptop.json"
    told = call(
        folder, "-m", "responder", "simulate", "--alert", alert, "--playbook", "lost_laptop", "--for", "2h"
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert "LostLaptop begins" in told.stdout
    assert "block/imagined/203.0.113.7/32" in told.stdout


@pytest.mark.parametrize("name", ["", "Lost", "lost-laptop", "../x", "responder", "a b", "1x", "é"])
def test_a_name_that_is_no_category_is_refused_and_nothing_written(
    name: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="expected small letters"):
        begin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("precious")
    with pytest.raises(ConfigurationError, match=r"mine\.py: there already; nothing was written"):
        begin("mine", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.py"]


def test_the_next_steps_are_named(tmp_path: Path) -> None:
    said = next_steps("lost_laptop", tmp_path)
    for words in (
        "PYTHONPATH",
        "lost_laptop:PLAYBOOKS",
        "playbooks lint",
        "pytest",
        "simulate",
        "demo",
    ):
        assert words in said
