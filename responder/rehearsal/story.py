"""What a rehearsal came to, told in order: what happened when, what was asked, what would change."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select

from responder.incident import Frozen
from responder.rehearsal.rehearsal import Rehearsal
from responder.store.tables import audit, messages, steps


class Line(Frozen):
    """One thing that happened, and how long after the alert."""

    after: timedelta
    kind: str
    words: str
    details: tuple[str, ...] = ()


async def told(rehearsal: Rehearsal, began: datetime) -> list[Line]:
    """Everything that happened, in order."""
    async with rehearsal.store.reading() as tx:
        entries = (await tx.execute(select(audit).order_by(audit.c.seq))).mappings().all()
        plans = {
            row["key"]: row["plan"]
            for row in (await tx.execute(select(steps.c.key, steps.c.plan))).mappings()
        }
        spoken = (await tx.execute(select(messages).order_by(messages.c.id))).mappings().all()
    lines = [
        Line(
            after=row["at"] - began,
            kind=row["kind"],
            words=_words(row),
            details=tuple(_details(row, plans)),
        )
        for row in entries
    ]
    lines += [
        Line(
            after=row["made"] - began, kind="said", words=f"to {row['audience']}: {row['subject']}"
        )
        for row in spoken
    ]
    return sorted(lines, key=lambda line: line.after)


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


def _details(row: Any, plans: dict[str, Any]) -> Iterator[str]:  # noqa: ANN401 - a row's mapping
    """Of a plan: what each point holds now and would hold."""
    plan = plans.get(str(row["data"].get("step", "")))
    if row["kind"] not in ("asked", "planned") or plan is None:
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
