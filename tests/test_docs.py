"""Docs can not lie: what exists is written down, what is written down exists and works."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer import Context
from typer.main import get_command

import activities
import playbooks
from responder.api.app import ENDPOINTS
from responder.cli import app
from scripts import reference
from tests.lab import sandbox

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])
HERE = [pytest.param(page, id=str(page.relative_to(ROOT))) for page in PAGES]
TEXT_OF_A_BLOCK = re.compile(r"^```(\w+)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    return (DOCS / "reference" / name).read_text()


def blocks(text: str, language: str) -> list[tuple[str, str]]:
    """The fenced blocks of one language: what follows the language's name, and the content."""
    return [(m[2].strip(), m[3]) for m in TEXT_OF_A_BLOCK.finditer(text) if m[1] == language]


def headings(name: str) -> set[str]:
    return {line.lstrip("# ") for line in page(name).splitlines() if line.startswith("#")}


def test_every_command_has_a_heading() -> None:
    assert {path for path, _ in reference.commands()} <= headings("commands.md")


def test_every_playbook_action_and_lookup_has_a_heading() -> None:
    assert {p.__name__ for p in playbooks.PLAYBOOKS} <= headings("playbooks.md")
    kinds = (*activities.ACTIONS, *activities.LOOKUPS)
    assert {kind.__name__ for kind in kinds} <= headings("actions.md")


def test_every_error_has_a_heading() -> None:
    assert {error.__name__ for error in reference.named_errors()} <= headings("errors.md")


def test_every_setting_is_listed_and_described() -> None:
    listed = page("settings.md")
    found = list(reference.settings())
    assert [name for name, _, described in found if not described] == []
    assert [name for name, _, _ in found if f"| `{name}` |" not in listed] == []


def test_every_route_is_listed() -> None:
    listed = page("routes.md")
    missing = [one.path for one in ENDPOINTS if f"| `{one.method} {one.path}` |" not in listed]
    assert missing == []


def test_every_dependency_has_its_reason() -> None:
    assert [name for name in reference.dependencies() if name not in reference.WHY] == []


def test_the_generated_parts_are_up_to_date() -> None:
    pages = [str(p.relative_to(ROOT)) for p in PAGES if "[[[cog" in p.read_text()]
    command = (sys.executable, "-m", "cogapp", "--check", "--verbosity=0", "-P", "-I", ".", *pages)
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, f"{said.stdout}{said.stderr}\n\nhint: make docs"
    assert len(pages) > 5


@pytest.mark.parametrize("path", HERE)
def test_links_lead_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", TEXT_OF_A_BLOCK.sub("", path.read_text()))
    ours = [link for link in links if "://" not in link]
    assert [link for link in ours if not (path.parent / link).exists()] == []


def commands_in(text: str) -> Iterator[list[str]]:
    """The words of each command line that a reader is shown."""
    lines = [
        line.removeprefix("$ ")
        for _, block in blocks(text, "console")
        for line in block.splitlines()
        if line.startswith("$ ")
    ]
    lines += [line for _, block in blocks(text, "sh") for line in block.splitlines()]
    lines += re.findall(r"`((?:responder|make) [^`\n]+)`", text)
    for line in lines:
        for call in re.findall(r"(?:^|\$\(|\bserve |; do |`)((?:responder|make) [^|;)&`]*)", line):
            yield call.split()


@pytest.mark.parametrize("path", HERE)
def test_commands_that_are_shown_are_real(path: Path) -> None:
    targets = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    for words in commands_in(path.read_text()):
        if words[0] == "make":
            assert words[1] in targets, words
        else:
            assert_real(words[1:])


def assert_real(words: list[str]) -> None:
    command: Any = get_command(app)
    while words and words[0] in getattr(command, "commands", {}):
        command, words = command.commands[words[0]], words[1:]
    options = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help"}
    assert not hasattr(command, "commands") or words in ([], ["--help"], ["…"]), words
    assert [w for w in words if w.startswith("--") and w.split("=")[0] not in options] == []
    assert command.get_help(Context(command))


@pytest.mark.parametrize("path", HERE)
def test_python_in_the_docs_runs(path: Path, tmp_path: Path) -> None:
    for number, (_, block) in enumerate(blocks(path.read_text(), "python")):
        module = tmp_path / f"example_{number}.py"
        module.write_text(block)
        command = (sys.executable, "-W", "error", "-c", f"import {module.stem}")
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{tmp_path}"}
        said = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert said.returncode == 0, said.stderr


START = """
responder up >"$RESPONDER_STATE.log" 2>&1 &
UP=$!
trap 'kill "$UP"; wait "$UP" || true' EXIT
for second in $(seq 120); do
  curl --silent --fail http://127.0.0.1:8080/readyz >/dev/null && break
  sleep 0.5
done
"""


@pytest.mark.skipif(sys.platform != "linux", reason="not here: network namespaces are Linux's")
def test_the_first_alert_does_what_it_says(tmp_path: Path) -> None:
    if sandbox.MARK not in os.environ:
        pytest.skip("the tutorial changes a packet filter: it is run in the sandbox only")
    copy = tmp_path / "project"
    copy.mkdir()
    (copy / ".venv").symlink_to(Path(sys.executable).parent.parent)
    told = blocks((DOCS / "first-alert.md").read_text(), "sh")
    steps = [START if marked == "up" else block for marked, block in told]
    steps = ["set -eu", "export PS4='+ '", *steps]
    shell = shutil.which("bash") or "sh"
    said = subprocess.run(
        (shell, "-c", "\n".join(steps)), cwd=copy, capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    heard = f"{said.stdout}\n{said.stderr}"
    assert said.returncode == 0, heard
    for expected in (
        "INC-", "203.0.113.7", "T2 needs 1 person", "the ask is approved",
        "chain", "drop", "ended by", "entries hold",
    ):  # fmt: skip
        assert expected in heard, f"{expected!r} was not said:\n{heard}"
