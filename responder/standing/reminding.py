"""Reminders before a clock's end, and its breach: recorded, and told to the first level of the chain."""

from datetime import datetime

from sqlalchemy import update

from responder.audit import Entry, append
from responder.incident import Priority
from responder.policy.sla import PROMISED, Clock, Strike, Targets
from responder.standing.brief import brief
from responder.standing.facts import Facts
from responder.standing.timing import Next, chain_of, strikes_of, upcoming
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import clocks, incidents
from responder.verbs.telling import tell

_UNTIL = {Clock.UPDATE: "the next update"}
_PAST = {Clock.ACKNOWLEDGE: "acknowledged", Clock.RESOLVE: "resolved", Clock.APPROVE: "approved"}


async def remind(
    tx: Transaction, facts: Facts, targets: Targets, row: Row, now: datetime
) -> tuple[bool, Next | None]:
    """Say what a running clock has to say by *now*; returns whether it did, and what comes next."""
    every = strikes_of(row, targets)
    struck = [one for one in every if one.share > row["struck"] and one.at <= now]
    for one in struck:
        if one.share < 1:
            await reminder(tx, facts, targets, one, now)
        elif one.clock in PROMISED:
            await _breach(tx, facts, targets, one, now)
    later = [one for one in every if one.at > now]
    return bool(struck), upcoming(later[0]) if later else None


async def reminder(
    tx: Transaction, facts: Facts, targets: Targets, one: Strike, now: datetime
) -> None:
    """Tell who owns it, or the first level, how much of the time is used."""
    incident = facts.incident
    await tx.execute(
        update(clocks)
        .where(clocks.c.incident == incident["id"], clocks.c.clock == one.clock)
        .values(struck=one.share)
    )
    audience = incident["owner"] or chain_of(incident, targets)[0]
    if one.clock is Clock.APPROVE:
        audience = "approvers"
    await tell(
        tx,
        now,
        key=f"remind/{incident['id']}/{one.clock}/{one.share}/{one.at.isoformat()}",
        audience=audience,
        incident=incident["id"],
        subject=f"{incident['priority']} {incident['id']}: {one.share:.0%} of the time to "
        f"{_UNTIL.get(one.clock, one.clock)} is used",
        body=f"{incident['title']}\n\n    responder incidents show {incident['id']}",
    )


async def _breach(
    tx: Transaction, facts: Facts, targets: Targets, one: Strike, now: datetime
) -> None:
    incident = facts.incident
    struck = await tx.execute(
        update(clocks)
        .where(
            clocks.c.incident == incident["id"],
            clocks.c.clock == one.clock,
            clocks.c.breached.is_(None),
        )
        .values(struck=1.0, breached=now, level=1, climbed=now)
    )
    if struck.rowcount != 1:
        return
    await tx.execute(
        update(incidents).where(incidents.c.id == incident["id"]).values(breached=True)
    )
    level = chain_of(incident, targets)[0]
    entry = Entry(
        kind="breached",
        actor="clock",
        subject=f"{incident['id']} {one.clock}",
        incident=incident["id"],
        data={
            "due": one.at.isoformat(),
            "late_seconds": (now - one.at).total_seconds(),
            "to": level,
        },
    )
    await append(tx, now, entry)
    state = "NOT CONTAINED" if one.clock is Clock.CONTAIN else f"not {_PAST[one.clock]}"
    await tell(
        tx,
        now,
        key=f"breach/{incident['id']}/{one.clock}/{one.at.isoformat()}",
        audience=level,
        incident=incident["id"],
        loud=True,
        subject=f"{Priority(incident['priority'])} {incident['id']}: {state} in time ({one.at:%H:%M:%S} UTC)",
        body=brief(facts),
    )
