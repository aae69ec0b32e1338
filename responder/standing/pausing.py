"""Pausing a clock: for a reason, for a while, within what its priority allows; it ends by itself, or sooner."""

from datetime import datetime, timedelta

from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.errors import Refused
from responder.policy.sla import Clock, Targets
from responder.standing.timing import hours_of, pauses_of, planned, within_of
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import clocks


async def pause(
    tx: Transaction,
    incident: Row,
    targets: Targets,
    clock: Clock,
    *,
    length: timedelta,
    reason: str,
    by: str,
    now: datetime,
) -> datetime:
    """
    Let *clock* stand still for *length* from now; returns when it goes on.

    Raises `Refused`, and changes nothing, for a clock that does not run, may not be paused at this
    priority or is paused already, and beyond what all its pauses may come to.
    """
    name = f"{incident['id']}: the {clock} clock"
    this = (clocks.c.incident == incident["id"], clocks.c.clock == clock)
    row = (await tx.execute(select(clocks).where(*this).with_for_update())).mappings().one_or_none()
    if row is None or row["met"] is not None:
        raise Refused(f"{name} does not run; nothing was paused")
    if row["breached"] is not None:
        raise Refused(f"{name} was missed at {row['due']:%H:%M:%S} UTC; a pause does not mend that")
    if clock is Clock.APPROVE:
        raise Refused(f"{name} is an ask's own expiry and cannot be paused; a new plan asks anew")
    if clock in targets.never_paused:
        raise Refused(f"{name} may not be paused at {incident['priority']}")
    pauses = pauses_of(row)
    if any(until > now for _, until in pauses):
        raise Refused(f"{name} is paused already until {max(u for _, u in pauses):%H:%M:%S} UTC")
    used = sum((until - begins for begins, until in pauses), timedelta(0))
    if used + length > targets.pause_most:
        raise Refused(
            f"{name} may be paused for {targets.pause_most} in all at {incident['priority']}, "
            f"and {used} of that is used; nothing was paused"
        )
    until = now + length
    one = {"from": now.isoformat(), "until": until.isoformat(), "by": by, "reason": reason}
    spans = (*pauses, (now, until))
    values = planned(row["started"], within_of(row), hours_of(clock, targets), spans)
    await tx.execute(
        update(clocks).where(*this).values(values | {"pauses": [*(row["pauses"] or ()), one]})
    )
    entry = Entry(
        kind="paused",
        actor=by,
        subject=f"{incident['id']} {clock}",
        incident=incident["id"],
        data={"until": one["until"], "reason": reason, "due": values["due"].isoformat()},
    )
    await append(tx, now, entry)
    return until


async def resume(
    tx: Transaction, incident: Row, targets: Targets, clock: Clock, *, by: str, now: datetime
) -> datetime:
    """
    Let *clock* go on now, before its pause ends by itself; returns when it is due then.

    What was not used of the pause can be used later. Raises `Refused` for a clock that does not
    stand still.
    """
    name = f"{incident['id']}: the {clock} clock"
    this = (clocks.c.incident == incident["id"], clocks.c.clock == clock)
    row = (await tx.execute(select(clocks).where(*this).with_for_update())).mappings().one_or_none()
    spans = pauses_of(row) if row is not None and row["met"] is None else ()
    if row is None or not any(begins <= now < until for begins, until in spans):
        raise Refused(f"{name} is not paused; nothing was changed")
    ended = tuple((begins, min(until, now)) for begins, until in spans)
    values = planned(row["started"], within_of(row), hours_of(clock, targets), ended)
    kept = [
        one | {"until": min(until, now).isoformat()}
        for one, (_, until) in zip(row["pauses"], spans, strict=True)
    ]
    await tx.execute(update(clocks).where(*this).values(values | {"pauses": kept}))
    due: datetime = values["due"]
    entry = Entry(
        kind="goes on",
        actor=by,
        subject=f"{incident['id']} {clock}",
        incident=incident["id"],
        data={"due": due.isoformat()},
    )
    await append(tx, now, entry)
    return due
