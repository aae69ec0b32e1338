"""`responder incidents watch`: clocks that tick at a terminal, and a line for each change elsewhere."""

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from responder.cli.card import drawn
from responder.cli.remote import ask
from responder.cli.say import UNAVAILABLE, Stop, clean
from responder.cli.times import left

_CLOCKS = ("acknowledge", "contain", "resolve", "approve", "next-update")
_TICKS = 4  # a second
_STYLES = {"P1": "bold red", "P2": "red", "P3": "yellow", "P4": "cyan"}
Row = dict[str, Any]


def watch(incident: str, every: float) -> None:
    """Show what is open, or one incident, until interrupted."""
    if sys.stdout.isatty():
        _live(incident, every)
    else:
        _lines(incident, every)


def _rounds(incident: str, every: float) -> Iterator[tuple[list[Row], str]]:
    """What the API answers, again and again; and since when it does not, if it does not."""
    rows: list[Row] = []
    silent = ""
    while True:
        try:
            if incident:
                rows = [ask("GET", f"/api/incidents/{incident}")]
            else:
                rows = ask("GET", "/api/incidents", params={"clocks": True})
            silent = ""
        except Stop as stop:
            if stop.status != UNAVAILABLE:
                raise
            silent = silent or f"no answer since {datetime.now(UTC):%H:%M:%S} UTC; asking on"
        yield rows, silent
        time.sleep(every)


def _live(incident: str, every: float) -> None:
    console = Console(no_color=bool(os.environ.get("NO_COLOR")) or None)
    with Live(console=console, auto_refresh=False, transient=False) as live:
        for rows, silent in _rounds(incident, 0):
            until = time.monotonic() + every
            while time.monotonic() < until:
                now = datetime.now(UTC)
                one = drawn(rows[0]) if incident and rows else table(rows, now, silent)
                live.update(one, refresh=True)
                time.sleep(min(1 / _TICKS, every))


def table(rows: list[Row], now: datetime, silent: str = "") -> RenderableType:
    """The open incidents, with what is left of each clock."""
    said = silent or f"{len(rows)} open at {now:%H:%M:%S} UTC · Ctrl-C ends"
    grid = Table(
        box=None, pad_edge=False, header_style="bold", caption=said, caption_justify="left"
    )
    for name in ("incident", "", "status", "owner", *_CLOCKS):
        grid.add_column(name, justify="right" if name in _CLOCKS else "left", no_wrap=True)
    for row in rows:
        running = {clock["clock"]: clock for clock in row.get("clocks", ())}
        grid.add_row(
            Text(row["id"]),
            Text(row["priority"], style=_STYLES.get(row["priority"], "")),
            Text(clean(row["status"]), style="bold red" if row["unanswered"] else ""),
            Text(clean(row["owner"] or "nobody"), style="" if row["owner"] else "bold"),
            *(ticking(running.get(name), now) for name in _CLOCKS),
        )
    return grid


def ticking(clock: Row | None, now: datetime) -> Text:
    """What is left of one clock: a mark says what its colour says."""
    if clock is None:
        return Text("·", style="dim")
    due = datetime.fromisoformat(clock["due"])
    if clock["met"]:
        late = datetime.fromisoformat(clock["met"]) > due
        return Text("✓ late" if late else "✓", style="yellow" if late else "green")
    seconds = (due - now).total_seconds()
    if clock["breached"]:
        return Text(f"‼ {left(seconds)}", style="bold red")
    if any(one["from"] <= now.isoformat() < one["until"] for one in clock["pauses"] or ()):
        return Text(f"‖ {left(seconds)}", style="cyan")
    whole = (due - datetime.fromisoformat(clock["started"])).total_seconds()
    return Text(left(seconds), style="yellow" if seconds < whole / 5 else "")


def _lines(incident: str, every: float) -> None:
    known: dict[str, dict[str, str]] = {}
    for rows, silent in _rounds(incident, every):
        for line in changes(known, rows, silent):
            sys.stdout.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {clean(line)}\n")
        sys.stdout.flush()


def changes(known: dict[str, dict[str, str]], rows: list[Row], silent: str = "") -> Iterator[str]:
    """What differs from what is *known*, a line each; *known* is brought up to date."""
    if silent:
        if known.get("", {}).get("silent") != silent:
            known[""] = {"silent": silent}
            yield silent
        return
    known.pop("", None)
    here = {row["id"] for row in rows}
    for gone in [name for name in known if name not in here]:
        del known[gone]
        yield f"{gone} is no longer open"
    for row in rows:
        name, new = row["id"], _said(row)
        old = known.get(name)
        known[name] = new
        if old is None:
            yield f"{name} {new['priority']} {new['status']}, owner {new['owner']}: {row['title']}"
            old = {"priority": new["priority"], "status": new["status"], "owner": new["owner"]}
        for part, value in new.items():
            if old.get(part, "running") != value:
                yield f"{name} {part}: {old.get(part, 'running')} -> {value}"


def _said(row: Row) -> dict[str, str]:
    found = {
        "priority": row["priority"],
        "status": row["status"],
        "owner": row["owner"] or "nobody",
    }
    for clock in row.get("clocks", ()):
        state = "met" if clock["met"] else "BREACHED" if clock["breached"] else "running"
        found[clock["clock"]] = state
    return found
