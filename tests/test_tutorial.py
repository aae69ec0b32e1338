"""The author's tutorial: every command in it is run, what it prints is what the page shows, and it is timed."""

import itertools
import re
import resource
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "tutorial.md"
BLOCK = re.compile(r"^```(console|py)([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
# What differs from run to run: times, identifiers, the lines that fill a terminal's width.
DIFFERS = (
    (re.compile(r"\+(\d+d )?\d\d:\d\d:\d\d"), "+T"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d"), "TIME"),
    (re.compile(r"INC-\d{4}-"), "INC-YEAR-"),
    (re.compile(r"\b[0-9a-f]{16}\b"), "ID"),
    (re.compile(r"\b\d+\.\d+s\b"), "N s"),
    (re.compile(r" ─+ \d+\.\d s$"), ""),
    (re.compile(r"\s+"), " "),
)
MARK = "--- command"


class Typed(NamedTuple):
    """A command of the page, and what the page says of it."""

    line: str
    shown: list[str]
    status: int


def steps() -> Iterator[Typed | tuple[str, str]]:
    """The page in its order: commands, and files with what is written into them."""
    for kind, marks, text in BLOCK.findall(PAGE.read_text()):
        if kind == "py":
            yield marks.strip(), text
            continue
        parts = re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]
        failing = int(marks.rpartition("exit ")[2] or 0)
        for number, part in enumerate(parts, 1):
            line, *shown = part.splitlines()
            yield Typed(line, shown, failing if number == len(parts) else 0)


def plain(lines: list[str]) -> list[str]:
    """*lines* without what differs; what is told of one moment may come in any order."""
    records: list[str] = []
    for line in lines:
        for pattern, instead in DIFFERS:
            line = pattern.sub(instead, line)  # noqa: PLW2901 - step by step
        line = line.strip()  # noqa: PLW2901
        if records and records[-1].startswith("+T") and re.match(r"touches |.* → ", line):
            records[-1] += f" / {line}"
        elif line:
            records.append(line)
    grouped = itertools.groupby(records, key=lambda one: one.startswith("+T"))
    return [one for timed, found in grouped for one in (sorted(found) if timed else found)]


def assert_shown(typed: Typed, said: list[str]) -> None:
    """What was printed is what the page shows; `…` on the page stands for any lines."""
    told = "\n".join(said)
    wanted = [
        list(part) for is_gap, part in itertools.groupby(typed.shown, "…".__eq__) if not is_gap
    ]
    if "…" not in typed.shown:
        assert plain(said) == plain(typed.shown), f"$ {typed.line}\n{told}"
        return
    found, at = plain(said), 0
    for part in map(plain, wanted):
        places = [n for n in range(at, len(found)) if found[n : n + len(part)] == part]
        assert places, f"$ {typed.line}\n{told}\n\nhas not, in one piece:\n{part}\nin\n{found}"
        at = places[0] + len(part)


def test_every_command_does_what_the_page_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "project"
    copy.mkdir()
    (copy / ".venv").symlink_to(Path(sys.executable).parent.parent)
    found = [*steps()]
    commands = [one for one in found if isinstance(one, Typed)]
    began, used = time.monotonic(), processor_seconds()
    said = subprocess.run(
        (shutil.which("bash") or "sh", "-c", script(found)), cwd=copy, capture_output=True, text=True,
        timeout=580, check=False, stdin=subprocess.DEVNULL,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
    )  # fmt: skip
    took, used = time.monotonic() - began, processor_seconds() - used
    parts = said.stdout.split(f"\n{MARK} ")
    assert len(parts) == len(commands) + 1, said.stdout + said.stderr
    for typed, part in zip(commands, parts[1:], strict=True):
        status, _, printed = part.partition("\n")
        assert int(status) == typed.status, f"$ {typed.line}\n{printed}"
        assert_shown(typed, printed.splitlines())
    assert claimed() > 0
    with capsys.disabled():
        words = f"the tutorial's {len(commands)} commands: {used:.0f} s of processor time, {took:.0f} s in all"
        sys.stdout.write(f"\n{words}; the page says {claimed()} s of processor time\n")


def processor_seconds() -> float:
    """What the commands so far have used: waiting for a busy machine is not in it."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def script(found: list[Typed | tuple[str, str]]) -> str:
    """The page as a shell script that prints each command's exit status before what it said."""
    lines = ["exec 2>&1"]
    for one in found:
        match one:
            case Typed(line=line):
                lines += [
                    f"{line} >\"$HOME/said\" 2>&1; printf '\\n{MARK} %s\\n' $?",
                    'cat "$HOME/said"',
                ]
            case (name, text):
                lines.append(f"printf %s {shlex.quote(text)} >{shlex.quote(name)}")
    return "\n".join(lines)


def claimed() -> int:
    """How many seconds of processor time the page says the commands need."""
    measured = re.search(r"^Measured: (\d+) s of processor time", PAGE.read_text(), re.MULTILINE)
    return int(measured[1]) if measured else 0
