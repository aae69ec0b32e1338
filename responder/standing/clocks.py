"""Striking the clocks: reminders, the breach, and the chain that climbs until somebody answers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import insert, select, update

from responder.audit import Entry, append
from responder.incident import Frozen, Priority
from responder.policy.sla import Clock, Strike, Targets, strikes
from responder.store.database import Transaction
from responder.store.tables import clocks, incidents
from responder.verbs.telling import tell

# How long each level of the chain has to answer before the next one hears of it; at the chain's
# end the last level goes on hearing of it, at this interval, until somebody acknowledges.
CLIMB = timedelta(minutes=10)


class Next(Frozen):
    """The next moment at which a clock has something to say."""

    at: datetime
    summary: str


async def start_clocks(
    tx: Transaction, incident: str, targets: Targets, opened: datetime, contain_within: timedelta | None
) -> None:
    """Write down an incident's three clocks, from the moment it was accepted."""
    rows = []
    for clock in Clock:
        within = targets.within(clock)
        if clock is Clock.CONTAIN and contain_within is not None:
            within = min(within, contain_within)
        rows.append({"incident": incident, "clock": clock, "started": opened, "due": opened + within})
    await tx.execute(insert(clocks), rows)


async def meet(tx: Transaction, incident: str, clock: Clock, now: datetime) -> bool:
    """Stop a clock; returns whether it was running."""
    met = await tx.execute(
        update(clocks)
        .where(clocks.c.incident == incident, clocks.c.clock == clock, clocks.c.met.is_(None))
        .values(met=now)
    )
    return met.rowcount == 1


async def strike(
    tx: Transaction, incident: Mapping[str, Any], targets: Targets, now: datetime
) -> Next | None:
    """Say everything that is due by *now*, once each; returns when there is next something to say."""
    query = select(clocks).where(clocks.c.incident == incident["id"]).order_by(clocks.c.due)
    rows = (await tx.execute(query)).mappings().all()
    nexts: list[Next] = []
    for row in rows:
        if row["met"] is not None:
            continue
        clock = Clock(row["clock"])
        if row["breached"] is None:
            nexts += await _remind(tx, incident, targets, row, clock, now)
        elif incident["acknowledged"] is None:
            nexts.append(await _climb(tx, incident, targets, row, clock, now))
    return min(nexts, key=lambda n: n.at, default=None)


async def _remind(
    tx: Transaction,
    incident: Mapping[str, Any],
    targets: Targets,
    row: Mapping[str, Any],
    clock: Clock,
    now: datetime,
) -> list[Next]:
    within = row["due"] - row["started"]
    scaled = targets.model_copy(update={clock.value: within})
    due = strikes(scaled, row["started"], clock)
    for one in due:
        if one.share <= row["struck"] or one.at > now:
            continue
        await (_breach if one.share >= 1 else _reminder)(tx, incident, targets, one, now)
    later = [one for one in due if one.at > now]
    if later:
        what = "breach" if later[0].share >= 1 else f"{later[0].share:.0%} reminder"
        return [Next(at=later[0].at, summary=f"SLA {clock}: {what} at {later[0].at:%H:%M:%S} UTC")]
    return [Next(at=row["due"] + CLIMB, summary=f"SLA {clock}: climb the chain")]


async def _reminder(
    tx: Transaction, incident: Mapping[str, Any], targets: Targets, one: Strike, now: datetime
) -> None:
    await tx.execute(
        update(clocks)
        .where(clocks.c.incident == incident["id"], clocks.c.clock == one.clock)
        .values(struck=one.share)
    )
    audience = incident["owner"] or targets.escalates_to[0]
    await tell(
        tx, now, key=f"remind/{incident['id']}/{one.clock}/{one.share}/{one.at.isoformat()}",
        audience=audience, incident=incident["id"],
        subject=f"{incident['priority']} {incident['id']}: {one.share:.0%} of the time to {one.clock} is used",
        body=f"{incident['title']}\n\n    responder incidents show {incident['id']}",
    )


async def _breach(
    tx: Transaction, incident: Mapping[str, Any], targets: Targets, one: Strike, now: datetime
) -> None:
    struck = await tx.execute(
        update(clocks)
        .where(
            clocks.c.incident == incident["id"], clocks.c.clock == one.clock, clocks.c.breached.is_(None)
        )
        .values(struck=1.0, breached=now, level=1)
    )
    if struck.rowcount != 1:
        return
    await tx.execute(update(incidents).where(incidents.c.id == incident["id"]).values(breached=True))
    level = targets.escalates_to[0]
    entry = Entry(
        kind="breached", actor="clock", subject=f"{incident['id']} {one.clock}", incident=incident["id"],
        data={"due": one.at.isoformat(), "late_seconds": (now - one.at).total_seconds(), "to": level},
    )
    await append(tx, now, entry)
    state = "NOT CONTAINED" if one.clock is Clock.CONTAIN else f"not {_PAST[one.clock]}"
    await tell(
        tx, now, key=f"breach/{incident['id']}/{one.clock}/{one.at.isoformat()}", audience=level,
        incident=incident["id"], loud=True,
        subject=f"{Priority(incident['priority'])} {incident['id']}: {state} in time ({one.at:%H:%M:%S} UTC)",
        body=f"{incident['title']}\n\nTake it: responder incidents ack {incident['id']}",
    )


_PAST = {Clock.ACKNOWLEDGE: "acknowledged", Clock.RESOLVE: "resolved"}


async def _climb(
    tx: Transaction,
    incident: Mapping[str, Any],
    targets: Targets,
    row: Mapping[str, Any],
    clock: Clock,
    now: datetime,
) -> Next:
    """The next level of the chain, while nobody has acknowledged."""
    level = row["level"]
    at = row["breached"] + CLIMB * level
    if at <= now:
        chain = targets.escalates_to
        audience = chain[min(level, len(chain) - 1)]
        unanswered = level >= len(chain)
        await tx.execute(
            update(clocks)
            .where(clocks.c.incident == incident["id"], clocks.c.clock == clock)
            .values(level=level + 1)
        )
        subject = f"{incident['priority']} {incident['id']}: " + (
            f"UNANSWERED by {', '.join(chain)}" if unanswered else f"{clock} breached, nobody has answered"
        )
        fresh = await tell(
            tx, now, key=f"climb/{incident['id']}/{clock}/{level}/{row['breached'].isoformat()}",
            audience=audience, incident=incident["id"], loud=True, subject=subject,
            body=f"{incident['title']}\n\nTake it: responder incidents ack {incident['id']}",
        )
        if fresh:
            entry = Entry(
                kind="escalated", actor="clock", subject=f"{incident['id']} {clock}",
                incident=incident["id"], data={"to": audience, "level": level},
            )
            await append(tx, now, entry)
        at = row["breached"] + CLIMB * (level + 1)
    return Next(at=max(at, now + timedelta(seconds=1)), summary=f"SLA {clock}: climb the chain")
