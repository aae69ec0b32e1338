"""Striking the clocks: reminders, the breach, and the chain that climbs until somebody answers."""

from datetime import datetime, timedelta

from sqlalchemy import insert, update

from responder.audit import Entry, append
from responder.incident import Frozen, Priority
from responder.policy.sla import Clock, Strike, Targets, strikes
from responder.standing.facts import Facts
from responder.store.database import Transaction
from responder.store.rows import Row
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
    tx: Transaction,
    incident: str,
    targets: Targets,
    opened: datetime,
    contain_within: timedelta | None,
) -> None:
    """Write down an incident's three clocks, from the moment it was accepted."""
    rows = []
    for clock in Clock:
        within = targets.within(clock)
        if clock is Clock.CONTAIN and contain_within is not None:
            within = min(within, contain_within)
        rows.append(
            {"incident": incident, "clock": clock, "started": opened, "due": opened + within}
        )
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
    tx: Transaction, facts: Facts, targets: Targets, now: datetime
) -> tuple[bool, Next | None]:
    """
    Say everything that is due by *now*, once each.

    Returns whether anything was, and when there is next something to say.
    """
    nexts: list[Next] = []
    struck = False
    for row in facts.clocks:
        if row["met"] is not None:
            continue
        clock = Clock(row["clock"])
        if row["breached"] is None:
            due, found = await _remind(tx, facts.incident, targets, row, clock, now)
            struck = struck or due
            nexts.append(found)
        elif facts.incident["acknowledged"] is None:
            nexts.append(await _climb(tx, facts.incident, targets, row, clock, now))
    return struck, min(nexts, key=lambda n: n.at, default=None)


def first_strike(targets: Targets, opened: datetime, contain_within: timedelta | None) -> Next:
    """The first moment at which a new incident's clocks have something to say."""
    if contain_within is not None:
        targets = targets.model_copy(update={"contain": min(targets.contain, contain_within)})
    return min(
        (_upcoming(strikes(targets, opened, clock)[0]) for clock in Clock), key=lambda n: n.at
    )


def _upcoming(one: Strike) -> Next:
    what = "breach" if one.share >= 1 else f"{one.share:.0%} reminder"
    return Next(at=one.at, summary=f"SLA {one.clock}: {what} at {one.at:%H:%M:%S} UTC")


async def _remind(
    tx: Transaction,
    incident: Row,
    targets: Targets,
    row: Row,
    clock: Clock,
    now: datetime,
) -> tuple[bool, Next]:
    within = row["due"] - row["started"]
    scaled = targets.model_copy(update={clock.value: within})
    due = strikes(scaled, row["started"], clock)
    struck = [one for one in due if one.share > row["struck"] and one.at <= now]
    for one in struck:
        await (_breach if one.share >= 1 else _reminder)(tx, incident, targets, one, now)
    later = [one for one in due if one.at > now]
    if later:
        return bool(struck), _upcoming(later[0])
    return bool(struck), Next(at=row["due"] + CLIMB, summary=f"SLA {clock}: climb the chain")


async def _reminder(
    tx: Transaction, incident: Row, targets: Targets, one: Strike, now: datetime
) -> None:
    await tx.execute(
        update(clocks)
        .where(clocks.c.incident == incident["id"], clocks.c.clock == one.clock)
        .values(struck=one.share)
    )
    audience = incident["owner"] or targets.escalates_to[0]
    await tell(
        tx,
        now,
        key=f"remind/{incident['id']}/{one.clock}/{one.share}/{one.at.isoformat()}",
        audience=audience,
        incident=incident["id"],
        subject=f"{incident['priority']} {incident['id']}: {one.share:.0%} of the time to {one.clock} is used",
        body=f"{incident['title']}\n\n    responder incidents show {incident['id']}",
    )


async def _breach(
    tx: Transaction, incident: Row, targets: Targets, one: Strike, now: datetime
) -> None:
    struck = await tx.execute(
        update(clocks)
        .where(
            clocks.c.incident == incident["id"],
            clocks.c.clock == one.clock,
            clocks.c.breached.is_(None),
        )
        .values(struck=1.0, breached=now, level=1)
    )
    if struck.rowcount != 1:
        return
    await tx.execute(
        update(incidents).where(incidents.c.id == incident["id"]).values(breached=True)
    )
    level = targets.escalates_to[0]
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
        body=f"{incident['title']}\n\nTake it: responder incidents ack {incident['id']}",
    )


_PAST = {Clock.ACKNOWLEDGE: "acknowledged", Clock.RESOLVE: "resolved"}


async def _climb(
    tx: Transaction,
    incident: Row,
    targets: Targets,
    row: Row,
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
            f"UNANSWERED by {', '.join(chain)}"
            if unanswered
            else f"{clock} breached, nobody has answered"
        )
        fresh = await tell(
            tx,
            now,
            key=f"climb/{incident['id']}/{clock}/{level}/{row['breached'].isoformat()}",
            audience=audience,
            incident=incident["id"],
            loud=True,
            subject=subject,
            body=f"{incident['title']}\n\nTake it: responder incidents ack {incident['id']}",
        )
        if fresh:
            entry = Entry(
                kind="escalated",
                actor="clock",
                subject=f"{incident['id']} {clock}",
                incident=incident["id"],
                data={"to": audience, "level": level},
            )
            await append(tx, now, entry)
        at = row["breached"] + CLIMB * (level + 1)
    return Next(at=max(at, now + timedelta(seconds=1)), summary=f"SLA {clock}: climb the chain")
