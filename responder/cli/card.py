"""An incident drawn in the terminal, on one screen."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from responder.cli.say import clean

_NOTES = 3  # the last ones
_STYLES = {"P1": "red", "P2": "bright_red", "P3": "yellow", "P4": "cyan"}


def card(incident: dict[str, Any], console: Console | None = None) -> None:
    """Draw *incident*, as the API answers it."""
    (console or Console(no_color=bool(os.environ.get("NO_COLOR")) or None)).print(drawn(incident))


def drawn(incident: dict[str, Any]) -> RenderableType:
    """The card itself."""
    seen = incident["indicators"]
    networks = [n.removesuffix("/128" if ":" in n else "/32") for n in seen["networks"]]
    about = ", ".join([*networks, *seen["hosts"], *seen["accounts"]]) or "nothing named"
    parts: list[RenderableType] = [
        Text(clean(incident["title"]), style="bold"),
        Text(
            f"{incident['category'].replace('_', ' ')} · {clean(about)} · owner {incident['owner'] or 'nobody yet'}"
        ),
        *_unanswered(incident),
        _clocks(incident["clocks"]),
        *_pauses(incident["clocks"]),
        *_reports(incident.get("duties", ())),
    ]
    for step in incident["steps"]:
        parts += [_change(change, step) for change in step["plan"]["changes"]]
    parts += [_hold(hold) for hold in incident["holds"]]
    for ask in incident["asks"]:
        if ask["state"] == "open":
            until = f"{ask['tier']} waits for approval until {ask['expires'][11:19]} UTC"
            text = f"? {until}: responder approvals show {ask['id']}"
            parts.append(Text(text, style="bold yellow"))
        elif ask.get("kind", "step") != "step" and ask.get("progress"):
            what = "; ".join(change["summary"] for change in ask["plan"]["changes"][:3])
            parts.append(Text(f"· {clean(what)}: {ask['progress']}"))
        elif ask["state"] == "approved" and ask["execute_by"] and _waits(ask, incident["steps"]):
            stands = ask.get("progress") or "approved"
            text = f"✓ ask {ask['id']}: {stands}; execute by {ask['execute_by'][11:19]} UTC"
            parts.append(Text(text, style="green"))
    parts += [_note(note) for note in incident.get("notes", ())[-_NOTES:]]
    style = _STYLES.get(incident["priority"], "white")
    stands = incident.get("progress") or incident["status"]
    title = f"{incident['priority']} · {incident['id']} · {stands}"
    return Panel(
        Group(*parts), title=Text(title, style=f"bold {style}"), border_style=style, width=100
    )


def _unanswered(incident: dict[str, Any]) -> list[Text]:
    if not incident.get("unanswered"):
        return []
    since = incident["unanswered"][:19].replace("T", " ")
    return [Text(f"‼ NOBODY ANSWERS since {since} UTC", style="bold red")]


def _waits(ask: dict[str, Any], steps: list[dict[str, Any]]) -> bool:
    """Whether what was approved has not been begun."""
    return any(step["key"] == ask["step"] and step["state"] == "asked" for step in steps)


def _reports(rows: Sequence[dict[str, Any]]) -> list[Text]:
    lines = []
    for row in rows:
        name = f"§ {row['regime']} {row['stage']}: due {row['due'][:16].replace('T', ' ')} UTC"
        said, style = str(row["state"]), ""
        if row["done"]:
            said, style = f"reported as {clean(row['reference'])}", "green"
        elif row["breached"]:
            said, style = "NOT REPORTED IN TIME", "bold red"
        lines.append(Text(f"{name} · {said}", style=style))
    return lines


def _note(row: dict[str, Any]) -> Text:
    mark = "update" if row["is_update"] else "note"
    return Text(f"{mark} {row['at'][11:16]} {row['by']}: {clean(row['text'])}", style="dim")


def _pauses(rows: list[dict[str, Any]]) -> list[Text]:
    """Which clocks stand still, until when, and who says why."""
    at = datetime.now(UTC).isoformat()
    return [
        Text(
            f"‖ {row['clock']} paused until {one['until'][11:19]} UTC by {one['by']}: {clean(one['reason'])}"
        )
        for row in rows
        for one in row.get("pauses") or ()
        if one["from"] <= at < one["until"]
    ]


def _clocks(rows: list[dict[str, Any]]) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    now = datetime.now(UTC)
    for row in rows:
        started, due = datetime.fromisoformat(row["started"]), datetime.fromisoformat(row["due"])
        met = datetime.fromisoformat(row["met"]) if row["met"] else None
        share = ((met or now) - started) / (due - started)
        said = (
            f"met in {_span((met - started).total_seconds())}"
            if met
            else f"{_span((due - now).total_seconds())} left"
        )
        if row["breached"]:
            said = "BREACHED"
        bar = ProgressBar(total=1.0, completed=min(max(share, 0.0), 1.0), width=24)
        grid.add_row(
            Text(row["clock"]),
            bar,
            Text(said, style="red" if row["breached"] else "green" if met else ""),
        )
    return grid


def _span(seconds: float) -> str:
    if seconds < 0:
        return f"-{_span(-seconds)}"
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"  # noqa: PLR2004 - two hours


def _change(change: dict[str, Any], step: dict[str, Any]) -> Text:
    line = Text(f"{step['plan']['tier']} {clean(change['summary'])}  ", style="")
    for point in change["points"]:
        known = point["known"]
        before = _state(point["before"]) if known else "it did not answer"
        after = _state(point["after"]) if known else "once it does"
        line.append(f"{point['point']}: {before} → {after}  ", style="dim")
    line.append(step["state"], style="red" if step["state"] in ("refused", "drifted") else "green")
    if step["said"]:
        line.append(f"\n   {clean(step['said'])}", style="red")
    return line


def _state(value: object) -> str:
    return (
        {True: "blocked", False: "open", None: "?"}.get(value, str(value))
        if isinstance(value, bool | None)
        else str(value)
    )


def _hold(hold: dict[str, Any]) -> Text:
    good = hold["outcome"] == "verified" and not hold["ended"]
    until = hold["until"][:19].replace("T", " ") if hold["until"] else "ended by a person"
    ended = (hold["ended"] or "")[:19].replace("T", " ")
    said = (
        f"ended by {hold['ended_by']} at {ended} UTC"
        if ended
        else f"{hold['outcome']} until {until} UTC"
    )
    line = Text(
        f"{'●' if good else '○'} {hold['resource']}  {said}", style="green" if good else "yellow"
    )
    if hold["said"] and not hold["ended"]:
        line.append(f"  {clean(hold['said'])}", style="red")
    return line
