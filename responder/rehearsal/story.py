"""What a rehearsal came to, told in order: what happened when, what was asked, what would change."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from responder.incident import Frozen
from responder.rehearsal.rehearsal import Rehearsal
from responder.store.tables import audit, messages, steps

_SAID_ANYWAY = frozenset({"announced", "intent"})  # the message is told, and so is the outcome
_REPEATING = frozenset({"said", "escalated", "update missed"})
_COUNTED = re.compile(
    r"\d\d:\d\d:\d\d UTC(?:, the \d+\. missed in a row|; \d+ were missed in a row)?|\bround \d+"
)


class Line(Frozen):
    """One thing that happened, and how long after the alert."""

    after: timedelta
    kind: str
    words: str
    details: tuple[str, ...] = ()
    times: int = 1  # how often it happened
    last: timedelta | None = None  # when it did so last, if more than once


async def told(rehearsal: Rehearsal, began: datetime) -> list[Line]:
    """Everything that happened, in order."""
    async with rehearsal.store.reading() as tx:
        entries = (await tx.execute(select(audit).order_by(audit.c.seq))).mappings().all()
        plans = {
            row["key"]: row["plan"]
            for row in (await tx.execute(select(steps.c.key, steps.c.plan))).mappings()
        }
        spoken = (await tx.execute(select(messages).order_by(messages.c.id))).mappings().all()
    asked = {row["data"].get("step") for row in entries if row["kind"] == "asked"}
    lines = [
        Line(
            after=row["at"] - began,
            kind=row["kind"],
            words=_words(row),
            details=tuple(_details(row, plans, asked)),
        )
        for row in entries
        if row["kind"] not in _SAID_ANYWAY
    ]
    lines += [
        Line(
            after=row["made"] - began, kind="said", words=f"to {row['audience']}: {row['subject']}"
        )
        for row in spoken
    ]
    return folded(sorted(lines, key=lambda line: line.after))


def folded(lines: list[Line]) -> list[Line]:
    """What clocks say again and again in the same words, but for their times, is told once with how often."""
    found: dict[object, Line] = {}
    for number, line in enumerate(lines):
        repeats = line.kind in _REPEATING and not line.details
        key = (line.kind, _COUNTED.sub("…", line.words)) if repeats else number
        first = found.get(key)
        found[key] = (
            line
            if first is None
            else first.model_copy(update={"times": first.times + 1, "last": line.after})
        )
    return list(found.values())


def _words(row: Any) -> str:  # noqa: ANN401 - a row's mapping
    data = row["data"]
    match row["kind"]:
        case "asked":
            return f"{data.get('tier', '')} {row['subject']}, to be decided by {str(data.get('expires', ''))[:19]} UTC"
        case "decided":
            return (
                f"{row['actor']} {'approved' if data.get('approve') else 'denied'} {row['subject']}"
            )
        case "outcome" | "intent" | "undone" | "undo":
            return str(row["subject"])
        case "breached":
            return (
                f"{row['subject']}, {data.get('late_seconds', 0):.0f} s late, to {data.get('to')}"
            )
        case "run":
            return f"{data.get('playbook')} begins as {row['subject']}"
    said = data.get("said") or data.get("why") or data.get("subject") or ""
    return f"{row['subject']} {said}".strip()


def _details(row: Any, plans: dict[str, Any], asked: set[Any]) -> Iterator[str]:  # noqa: ANN401 - a row's mapping
    """Of a plan: what each point holds now and would hold."""
    asks = row["kind"] == "asked"
    key = str(row["data"].get("step", "") if asks else row["subject"])
    plan = plans.get(key) if asks or row["kind"] == "planned" else None
    if plan is None or (not asks and key in asked):
        return
    for change in plan["changes"]:
        lasts = f" for {change['lasts']}" if change["lasts"] else ""
        for point in change["points"]:
            yield f"{change['summary']}{lasts} at {point['point']}: {point['before']} → {point['after']}"
    blast = plan["blast"]
    yield (
        f"touches {blast['hosts']} hosts, {blast['networks']} networks, {blast['accounts']} accounts; "
        f"protected: {', '.join(blast['protected']) or 'none'}"
    )
