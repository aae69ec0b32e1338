"""One incident with everything about it, as plain data: what the API, the console and Slack show."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from responder.standing.facts import Facts, decided, is_paused
from responder.standing.progress import Progress, of_ask, of_incident
from responder.store.database import Transaction, utc_now
from responder.store.tables import (
    alerts,
    asks,
    clocks,
    holds,
    incidents,
    messages,
    resources,
    runs,
    steps,
)
from responder.store.watching import duties, notes

Row = dict[str, Any]

# All but what workers seal for themselves.
_STEP = [column for column in steps.c if column is not steps.c.warrant]


def plain(row: Any) -> Row:  # noqa: ANN401 - a row's mapping
    """A row as JSON-able data; times in ISO 8601, UTC."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in dict(row).items()}


async def whole(tx: Transaction, incident: str, now: datetime | None = None) -> Row | None:
    """
    The incident with its clocks, runs, steps, asks, holds, notes, duties, alerts and messages; None if unknown.

    The incident and each of its asks have `progress`, the words that people read, and
    `progress_word`. *now* is the store's time, this machine's if it is not given.
    """
    query = select(incidents).where(incidents.c.id == incident)
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    held = (
        select(
            holds,
            resources.c.point,
            resources.c.outcome,
            resources.c.state,
            resources.c.state.label("resource_state"),
            resources.c.said,
        )
        .join(resources, resources.c.name == holds.c.resource)
        .where(holds.c.incident == incident)
    )
    queries = {
        "clocks": select(clocks).where(clocks.c.incident == incident).order_by(clocks.c.due),
        "runs": select(runs).where(runs.c.incident == incident).order_by(runs.c.number),
        "steps": select(*_STEP)
        .join(runs, runs.c.id == steps.c.run)
        .where(runs.c.incident == incident),
        "asks": select(asks).where(asks.c.incident == incident).order_by(asks.c.opened),
        "holds": held.order_by(holds.c.taken),
        "alerts": select(alerts.c.id, alerts.c.source, alerts.c.occurred, alerts.c.state).where(
            alerts.c.incident == incident
        ),
        "notes": select(notes).where(notes.c.incident == incident).order_by(notes.c.id),
        "duties": select(duties)
        .where(duties.c.incident == incident)
        .order_by(duties.c.regime, duties.c.place),
        "messages": select(messages).where(messages.c.incident == incident).order_by(messages.c.id),
    }
    found = {name: (await tx.execute(query)).mappings().all() for name, query in queries.items()}
    facts = Facts(
        at=now or utc_now(),
        incident=row,
        **{name: found[name] for name in ("runs", "steps", "asks", "clocks", "holds", "duties")},
        decisions=await decided(tx, incident),
        paused=await is_paused(tx),
    )
    parts = {name: [plain(one) for one in rows] for name, rows in found.items()}
    parts["asks"] = [plain(ask) | _told(of_ask(facts, ask)) for ask in found["asks"]]
    return plain(row) | parts | _told(of_incident(facts))


def _told(progress: Progress) -> Row:
    return {"progress": progress.text, "progress_word": progress.word}
