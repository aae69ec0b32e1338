"""Rows as the templates show them: with their state by the time of looking. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from responder.approval.requesting import in_words
from responder.console.rendering import moment
from responder.console.words import about
from responder.incident import Priority
from responder.policy.duties import Regime, State
from responder.policy.judge import Policy
from responder.policy.sla import Clock
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
_LONGER: Final = {
    "1 hour": timedelta(hours=1),
    "4 hours": timedelta(hours=4),
    "8 hours": timedelta(hours=8),
    "24 hours": timedelta(hours=24),
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
        "asked_for": in_words(row),
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
    # An end, not a length: what is sent twice, or late, means what its reader saw.
    ends = (
        {name: moment(row["until"]) + more for name, more in _LONGER.items()}
        if row["until"]
        else {}
    )
    return row | {
        "live": live,
        "mark": mark,
        "words": said,
        "heavy": row["tier"] in ("T2", "T3"),
        "ends": ends,
    }


def duty(row: Row, now: datetime) -> Row:
    """One report that is owed to an authority."""
    if row["done"]:
        mark, said = ("bad", "reported late") if row["done"] > row["due"] else ("good", "reported")
    elif row["state"] == State.PROJECTED:
        mark, said = "plain", "comes later"
    elif row["state"] == State.UNCLASSIFIED:
        mark, said = "warn", "owed if it is classified so"
    elif moment(row["due"]) <= now:
        mark, said = "bad", "overdue"
    else:
        mark, said = "warn", "owed"
    running = row["state"] == State.RUNNING and not row["done"]
    return row | {"mark": mark, "said": said, "running": running}


def owed(rows: list[Row], regimes: Mapping[str, Regime], now: datetime) -> dict[str, Any]:
    """What is to be reported about an incident, and what could be begun or classified."""
    begun = {row["regime"]: row for row in rows}
    return {
        "duties": [duty(row, now) for row in rows],
        "regimes": {name: one.title for name, one in regimes.items()},
        "unbegun": {name: one.title for name, one in regimes.items() if name not in begun},
        "unclassified": [
            name
            for name, row in begun.items()
            if not row["classified"] and name in regimes and regimes[name].classifies
        ],
    }


def held_now(found: Row) -> str:
    """What an incident holds, as a word that changes with it."""
    live = sorted(row["id"] for row in found["holds"] if row["ended"] is None)
    return hashlib.sha256("\n".join(live).encode()).hexdigest()[:16] if live else "nothing"


def acts(found: Row, timers: list[Row], holds: list[Row], policy: Policy) -> dict[str, Any]:
    """What can be done to an incident now: which clocks can be paused, and what closing would undo."""
    targets = policy.sla[Priority(found["priority"])]
    live = [one for one in holds if one["live"]]
    return {
        "pausable": [
            one["clock"]
            for one in timers
            if one["running"] and one["clock"] not in {Clock.APPROVE, *targets.never_paused}
        ],
        "pause_most": targets.pause_most,
        "paused_clocks": [one for one in timers if one["paused"] and not one["met"]],
        "priorities": PRIORITIES,
        "live": live,
        "heavy": any(one["heavy"] for one in live),
        "tier": max((one["tier"] for one in live), default=""),
        "held_now": held_now(found),
    }


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
