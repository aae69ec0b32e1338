"""`responder incidents`: times as people type them, what `watch` shows and says, and how it ends."""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import typer
from rich.console import Console

from responder.cli.card import drawn
from responder.cli.times import left, length, moment
from responder.cli.watching import changes, table
from tests.cli.conftest import Api, Run

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)


def clock(name: str, minutes: float, **changed: Any) -> dict[str, Any]:
    """A clock that began an hour before it is due."""
    due = NOW + timedelta(minutes=minutes)
    return {
        "incident": "INC-1", "clock": name, "started": (due - timedelta(hours=1)).isoformat(),
        "due": due.isoformat(), "met": None, "breached": None, "pauses": None, **changed,
    }  # fmt: skip


def incident(*clocks: dict[str, Any], **changed: Any) -> dict[str, Any]:
    return {
        "id": "INC-1", "priority": "P1", "status": "responding", "owner": None, "unanswered": None,
        "title": "Sign-ins fail", "category": "authentication_attack", "clocks": list(clocks),
        "indicators": {"networks": ["203.0.113.7/32"], "hosts": [], "accounts": []},
        "steps": [], "holds": [], "asks": [], **changed,
    }  # fmt: skip


def shown(what: Any) -> str:
    console = Console(width=200, record=True, file=io.StringIO(), no_color=True)
    console.print(what)
    return console.export_text()


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("2h", timedelta(hours=2)), ("90m", timedelta(minutes=90)), ("1h30m", timedelta(minutes=90)),
        ("1h 30 min", timedelta(minutes=90)), ("1.5h", timedelta(minutes=90)), ("45s", timedelta(seconds=45)),
        ("2d", timedelta(days=2)), ("PT2H", timedelta(hours=2)), ("p1dt2h", timedelta(hours=26)),
    ],
)  # fmt: skip
def test_a_length_of_time_is_read_as_people_write_it(text: str, span: timedelta) -> None:
    assert length(text) == span


@pytest.mark.parametrize("text", ["", "2", "h", "2 weeks", "2h nonsense", "P", "-2h", "soon"])
def test_what_is_no_length_of_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected a length of time such as 2h"):
        length(text)


def test_a_moment_needs_its_zone() -> None:
    assert moment("2026-03-04T12:00Z") == NOW
    assert moment("2026-03-04T13:00+01:00") == NOW
    assert abs(moment("now") - datetime.now(UTC)) < timedelta(minutes=1)
    for text in ("2026-03-04T12:00", "2026-03-04", "noon"):
        with pytest.raises(typer.BadParameter, match="expected a time with its zone"):
            moment(text)


def test_what_ticks_is_short_and_says_what_has_passed() -> None:
    said = [left(n) for n in (0, 9, 724, 3723, 90_000, -65)]
    assert said == ["0:00", "0:09", "12:04", "1:02:03", "1 d 1 h", "-1:05"]


def test_the_table_ticks_and_marks_say_what_colours_say() -> None:
    pauses = [{"from": NOW.isoformat(), "until": (NOW + timedelta(hours=1)).isoformat()}]
    row = incident(
        clock("acknowledge", 5, met=NOW.isoformat()),
        clock("contain", -2, breached=NOW.isoformat()),
        clock("resolve", 90, pauses=pauses),
        clock("next-update", 12.5),
    )
    text = shown(table([row], NOW))
    for part in ("INC-1", "nobody", "✓", "‼ -2:00", "‖ 1:30:00", "12:30", "1 open at 12:00:00 UTC"):
        assert part in text
    assert "11:30" in shown(table([row], NOW + timedelta(minutes=1)))
    assert "no answer since" in shown(table([row], NOW, "no answer since 11:59"))


def test_each_change_is_a_line_and_no_change_is_none() -> None:
    known: dict[str, dict[str, str]] = {}
    first = incident(clock("contain", 5))
    assert list(changes(known, [first])) == ["INC-1 P1 responding, owner nobody: Sign-ins fail"]
    assert list(changes(known, [first])) == []
    second = incident(
        clock("contain", 5, breached=NOW.isoformat()), owner="ana", status="contained"
    )
    assert list(changes(known, [second])) == [
        "INC-1 status: responding -> contained",
        "INC-1 owner: nobody -> ana",
        "INC-1 contain: running -> BREACHED",
    ]
    assert list(changes(known, [], "no answer since 12:00")) == ["no answer since 12:00"]
    assert list(changes(known, [], "no answer since 12:00")) == []
    assert list(changes(known, [])) == ["INC-1 is no longer open"]
    late = incident(clock("contain", -5, breached=NOW.isoformat()))
    assert list(changes(known, [late]))[1:] == ["INC-1 contain: running -> BREACHED"]


def test_the_card_shows_what_is_owed_paused_noted_and_unanswered() -> None:
    now = datetime.now(UTC)
    pause = {"from": (now - timedelta(hours=1)).isoformat(), "until": (now + timedelta(hours=1)).isoformat(),
             "by": "ana", "reason": "the vendor's turn"}  # fmt: skip
    running = clock("resolve", 0, due=(now + timedelta(hours=2)).isoformat(), pauses=[pause])
    ask = {
        "id": "a1",
        "state": "approved",
        "execute_by": NOW.isoformat(),
        "step": "s",
        "tier": "T2",
    }
    step = {"key": "s", "state": "asked", "said": "", "plan": {"tier": "T2", "changes": []}}
    duty = {"regime": "gdpr", "stage": "notification", "due": NOW.isoformat(), "done": None,
            "breached": NOW.isoformat(), "state": "running", "reference": ""}  # fmt: skip
    note = {"at": NOW.isoformat(), "by": "ben", "text": "two hosts left", "is_update": True}
    text = shown(
        drawn(
            incident(running, unanswered=NOW.isoformat(), asks=[ask], steps=[step])
            | {"duties": [duty], "notes": [note]}
        )
    )
    for part in (
        "NOBODY ANSWERS since 2026-03-04 12:00:00", "by ana: the vendor's turn", "NOT REPORTED IN TIME",
        "execute by 12:00:00", "update 12:00 ben: two hosts left",
    ):  # fmt: skip
        assert part in text


def test_watching_off_a_terminal_ends_with_130_by_ctrl_c(
    run: Run, api: Api, tmp_path: Path
) -> None:
    api.body = json.dumps([incident(clock("contain", 5))])
    command = (sys.executable, "-m", "responder", "incidents", "watch", "--every", "0.2s")
    watching = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ}, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    assert watching.stdout is not None
    assert "INC-1 P1 responding" in watching.stdout.readline()
    time.sleep(0.5)
    watching.send_signal(signal.SIGINT)
    out, err = watching.communicate(timeout=10)
    assert (watching.returncode, out) == (130, "")
    assert "Traceback" not in err


def test_a_pause_without_a_length_is_exit_2_and_names_what_is_expected(run: Run, api: Api) -> None:
    said = run("incidents", "pause", "INC-1", "resolve", "--for", "soon", "--reason", "why")
    assert said.status == 2
    assert "expected a length of time such as 2h" in said.err
    assert run("incidents", "pause", "INC-1", "resolve", "--for", "1h").status == 2, "no reason"
    said = run("incidents", "duty", "INC-1", "--aware-at", "2026-03-04T12:00Z")
    assert (said.status, "expected a regime" in said.err) == (2, True)
    api.status, api.body = 403, '{"detail": "INC-1: the contain clock may not be paused at P1"}'
    said = run("incidents", "pause", "INC-1", "contain", "--for", "1h", "--reason", "why")
    assert (said.status, said.err.strip()) == (
        4,
        "INC-1: the contain clock may not be paused at P1",
    )


def test_watching_at_a_terminal_ticks_and_ends_with_130_by_ctrl_c(
    run: Run, api: Api, tmp_path: Path
) -> None:
    due = (datetime.now(UTC) + timedelta(minutes=5)).isoformat()
    api.body = json.dumps([incident(clock("contain", 0, due=due))])
    ours, theirs = pty.openpty()
    command = (sys.executable, "-m", "responder", "incidents", "watch", "--every", "1s")
    environment = {**os.environ, "COLUMNS": "120", "LINES": "30", "TERM": "xterm"}
    watching = subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=theirs, stdout=theirs, stderr=theirs,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)
    seen, until = "", time.monotonic() + 20
    while len(set(re.findall(r"4:5\d", seen))) < 2 and time.monotonic() < until:
        seen += os.read(ours, 65_536).decode(errors="replace")
    watching.send_signal(signal.SIGINT)
    with suppress(OSError):  # the terminal is gone when the command is
        while part := os.read(ours, 65_536):
            seen += part.decode(errors="replace")
    os.close(ours)
    assert watching.wait(10) == 130
    assert "INC-1" in seen
    assert len(set(re.findall(r"4:5\d", seen))) >= 2, "it ticks between two answers"
    assert "Traceback" not in seen
    assert "\x1b[?25h" in seen, "the cursor is back"
