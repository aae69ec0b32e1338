"""A new priority: every clock planned again from its start, the new chain, and a page whoever has it."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from responder.audit import Entry
from responder.incident import Priority
from responder.policy.sla import Clock, Targets
from responder.standing.brief import brief
from responder.standing.climbing import restart
from responder.standing.facts import load
from responder.standing.timing import pauses_of, planned, strikes_of
from responder.standing.updating import restart_updates
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import clocks, incidents
from responder.verbs.telling import tell, tell_audited


async def reprioritise(
    tx: Transaction,
    incident: Row,
    targets: Targets,
    priority: Priority,
    by: str,
    reason: str,
    now: datetime,
    *,
    contain_within: timedelta | None = None,
) -> None:
    """
    Give *incident* another priority, with its *targets*.

    What is met stays met and what is breached stays breached. A due time that has passed by the new
    plan is struck at the next look, at once. People are paged even if somebody has acknowledged.
    """
    name, before = incident["id"], incident["priority"]
    this = update(incidents).where(incidents.c.id == name)
    chain = list(targets.escalates_to)
    await tx.execute(this.values(priority=priority, chain=chain, next_strike=now))
    wanted = targets.started(contain_within)
    query = select(clocks).where(clocks.c.incident == name, clocks.c.met.is_(None))
    for row in (await tx.execute(query)).mappings().all():
        clock = Clock(row["clock"])
        if clock in (Clock.UPDATE, Clock.APPROVE) or row["breached"] is not None:
            continue
        values = _replanned(row, wanted[clock], targets, now)
        own = (clocks.c.incident == name, clocks.c.clock == clock)
        await tx.execute(update(clocks).where(*own).values(values))
    # The change and its reason are themselves the news that is owed.
    await restart_updates(tx, name, targets, now)
    await restart(tx, name, now)
    facts = await load(tx, name, now)
    said = f"{priority} {name}: was {before}, is {priority} now: {reason}"
    body = brief(facts) if facts is not None else ""
    entry = Entry(
        kind="reprioritised",
        actor=by,
        subject=name,
        incident=name,
        data={"from": before, "to": priority, "reason": reason},
    )
    key = f"priority/{name}/{priority}/{now.isoformat()}"
    await tell_audited(
        tx, now, entry, key=key, audience=chain[0], loud=True, subject=said, body=body
    )
    owner = incident["owner"]
    if owner is not None and owner != by:
        await tell(
            tx,
            now,
            key=f"{key}/{owner}",
            audience=owner,
            incident=name,
            loud=True,
            subject=said,
            body=body,
        )


def _replanned(row: Row, within: timedelta, targets: Targets, now: datetime) -> dict[str, Any]:
    """A running clock by its new target; reminders that have passed are not said late, a breach is."""
    values = planned(row["started"], within, targets.hours, pauses_of(row))
    moments = strikes_of(dict(row) | values, targets)
    passed = [one.share for one in moments if one.share < 1 and one.at <= now]
    return values | {"struck": max(passed, default=0.0)}
