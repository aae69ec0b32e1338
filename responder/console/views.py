"""Rows as the templates show them: with their state by the time of looking. Pure."""

from datetime import datetime, timedelta
from typing import Any, Final

from responder.console.rendering import moment
from responder.console.words import about
from responder.standing.timing import paused_until

Row = dict[str, Any]

PRIORITIES: Final = {"P1": "critical", "P2": "high", "P3": "medium", "P4": "low"}
# What a status is shown by, beside its words: a symbol and a colour, never the colour alone.
_STATUS: Final = {
    "contained": "good",
    "released": "plain",
    "waiting for approval": "ask",
    "responding": "busy",
    "partly contained": "bad",
    "NOT CONTAINED": "bad",
    "unanswered": "bad",
}
_ASK: Final = {
    "open": "ask",
    "approved": "good",
    "denied": "bad",
    "expired": "bad",
    "revoked": "bad",
}


def clock(row: Row, now: datetime) -> Row:
    """One clock: how it stands, in a word and a mark."""
    due, started = moment(row["due"]), moment(row["started"])
    met = moment(row["met"]) if row["met"] else None
    paused = paused_until(row, now)
    if met is not None:
        mark, said = ("bad", "met late") if met > due else ("good", "met")
    elif row["breached"] is not None or due <= now:
        mark, said = "bad", "breached"
    elif paused:
        mark, said = "plain", "paused"
    else:
        share = (now - started) / (due - started) if due > started else 1.0
        mark, said = ("warn", "running out") if share >= 0.8 else ("busy", "running")  # noqa: PLR2004 - the second reminder
    running = mark in ("busy", "warn")
    return row | {"mark": mark, "said": said, "running": running, "paused": paused}


def ask(row: Row, now: datetime, execute_within: timedelta) -> Row:
    """One ask: open only while it can be decided, whoever has marked it already."""
    state = row["state"]
    if state == "open" and moment(row["expires"]) <= now:
        state = "expired"
    needs, plan = row["needs"], row["plan"]
    people, stepped = needs["people"], needs["stepped_up"]
    who = "1 person" if people == 1 else f"{people} people"
    with_factor = ""
    if stepped:
        with_factor = (
            " with a second factor" if people == stepped else f", {stepped} with a second factor"
        )
    return row | {
        "state": state,
        "open": state == "open",
        "mark": _ASK.get(state, "plain"),
        "summary": "; ".join(c["summary"] for c in plan.get("changes", ())) or "nothing to change",
        "need": f"{who}{with_factor}",
        "within": execute_within,
        "number": row.get("number"),
        "progress": row.get("progress") or "",
    }


def hold(row: Row, now: datetime) -> Row:
    """One hold: whether it lives, and in which words."""
    over = row["until"] is not None and moment(row["until"]) <= now
    live = row["ended"] is None and not over and row["state"] == "held"
    if live:
        good = row["outcome"] == "verified"
        mark, said = (
            ("good", "in force, verified") if good else ("bad", f"NOT VERIFIED: {row['outcome']}")
        )
    elif row["ended_by"] == "done":
        mark, said = "good", "done once, and stays"
    elif row["state"] in ("held", "lifting"):
        mark, said = "busy", "being undone"
    else:
        mark, said = "plain", f"undone, ended by {row['ended_by'] or 'time'}"
    return row | {"live": live, "mark": mark, "words": said, "heavy": row["tier"] in ("T2", "T3")}


def duty(row: Row, now: datetime) -> Row:
    """One report that is owed to an authority."""
    if row["done"]:
        mark, said = ("bad", "reported late") if row["done"] > row["due"] else ("good", "reported")
    elif moment(row["due"]) <= now:
        mark, said = "bad", "overdue"
    else:
        mark, said = "warn", "owed"
    return row | {"mark": mark, "said": said, "running": mark == "warn"}


def incident(row: Row) -> Row:
    """One incident's head."""
    status = row["status"]
    return row | {
        "urgency": PRIORITIES.get(row["priority"], ""),
        "mark": _STATUS.get(status, "plain"),
        "about": about(row["indicators"]),
        "kind": row["category"].replace("_", " "),
        "status": row.get("progress") or status,
    }
