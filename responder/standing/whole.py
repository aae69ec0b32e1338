"""One incident with everything about it, as plain data: what the API, the console and Slack show."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from responder.store.database import Transaction
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

Row = dict[str, Any]


def plain(row: Any) -> Row:  # noqa: ANN401 - a row's mapping
    """A row as JSON-able data; times in ISO 8601, UTC."""
    return {k: v.isoformat() if isinstance(v, datetime) else v for k, v in dict(row).items()}


async def whole(tx: Transaction, incident: str) -> Row | None:
    """The incident with its clocks, runs, steps, asks, holds, alerts and messages; None if unknown."""
    query = select(incidents).where(incidents.c.id == incident)
    row = (await tx.execute(query)).mappings().one_or_none()
    if row is None:
        return None
    held = (
        select(holds, resources.c.point, resources.c.outcome, resources.c.state, resources.c.said)
        .join(resources, resources.c.name == holds.c.resource)
        .where(holds.c.incident == incident)
    )
    queries = {
        "clocks": select(clocks).where(clocks.c.incident == incident).order_by(clocks.c.due),
        "runs": select(runs).where(runs.c.incident == incident).order_by(runs.c.number),
        "steps": select(steps)
        .join(runs, runs.c.id == steps.c.run)
        .where(runs.c.incident == incident),
        "asks": select(asks).where(asks.c.incident == incident).order_by(asks.c.opened),
        "holds": held.order_by(holds.c.taken),
        "alerts": select(alerts.c.id, alerts.c.source, alerts.c.occurred, alerts.c.state).where(
            alerts.c.incident == incident
        ),
        "messages": select(messages).where(messages.c.incident == incident).order_by(messages.c.id),
    }
    parts = {
        name: [plain(one) for one in (await tx.execute(query)).mappings()]
        for name, query in queries.items()
    }
    return plain(row) | parts
