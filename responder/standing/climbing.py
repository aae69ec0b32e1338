"""The chain that climbs while nobody answers: level by level, round by round, then loudly unanswered."""

from datetime import datetime

from sqlalchemy import update

from responder.audit import Entry, append
from responder.incident import Priority
from responder.policy.sla import Clock, Targets
from responder.policy.working_time import after
from responder.standing.brief import brief
from responder.standing.facts import Facts
from responder.standing.timing import Next, chain_of
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import clocks, incidents
from responder.verbs.telling import tell

# Whom a P1 that nobody answers is brought to, whatever the chain.
LAST = "CISO"
# An unanswered incident is said again so much more seldom than the chain climbed: never silent.
_SLOWER = 3


async def climb(
    tx: Transaction, facts: Facts, targets: Targets, now: datetime
) -> tuple[bool, Next | None]:
    """
    Tell the next level, if it is time and nobody has acknowledged.

    One chain an incident, by the clock that was missed first. Returns whether anybody was told, and
    when the next level is.
    """
    missed = [r for r in facts.clocks if r["breached"] is not None and r["met"] is None]
    if facts.incident["acknowledged"] is not None or not missed:
        return False, None
    row = min(missed, key=lambda one: (one["breached"], one["clock"]))
    every = targets.climbs_after * (_SLOWER if facts.incident["unanswered"] else 1)
    at = after(row["climbed"] or row["breached"], every, targets.hours)
    summary = f"SLA {row['clock']}: climb the chain"
    if at > now:
        return False, Next(at=at, summary=summary)
    chain = chain_of(facts.incident, targets)
    if row["level"] < len(chain) * targets.rounds:
        await _next_level(tx, facts, row, chain, now)
    else:
        await _unanswered(tx, facts, row, chain, now)
        every = targets.climbs_after * _SLOWER
    return True, Next(at=after(now, every, targets.hours), summary=summary)


async def restart(tx: Transaction, incident: str, now: datetime) -> None:
    """Begin the chain anew for what is missed already: whoever was told first is told first again."""
    this = (clocks.c.incident == incident, clocks.c.breached.is_not(None), clocks.c.met.is_(None))
    await tx.execute(update(clocks).where(*this).values(level=1, climbed=now))
    await tx.execute(update(incidents).where(incidents.c.id == incident).values(unanswered=None))


async def _next_level(
    tx: Transaction, facts: Facts, row: Row, chain: tuple[str, ...], now: datetime
) -> None:
    incident, level = facts.incident, row["level"]
    audience = chain[level % len(chain)]
    again = f", round {level // len(chain) + 1}" if level >= len(chain) else ""
    await _told(tx, row, now)
    await tell(
        tx,
        now,
        key=f"climb/{incident['id']}/{row['clock']}/{level}/{row['climbed'] or row['breached']}",
        audience=audience,
        incident=incident["id"],
        loud=True,
        subject=f"{incident['priority']} {incident['id']}: {Clock(row['clock'])} breached, nobody has "
        f"answered{again}",
        body=brief(facts),
    )
    entry = Entry(
        kind="escalated",
        actor="clock",
        subject=f"{incident['id']} {row['clock']}",
        incident=incident["id"],
        data={"to": audience, "level": level},
    )
    await append(tx, now, entry)


async def _unanswered(
    tx: Transaction, facts: Facts, row: Row, chain: tuple[str, ...], now: datetime
) -> None:
    """Declare that nobody answers, and go on saying so until somebody does."""
    incident = facts.incident
    audience = LAST if incident["priority"] == Priority.P1 else chain[-1]
    await _told(tx, row, now)
    if incident["unanswered"] is None:
        this = update(incidents).where(incidents.c.id == incident["id"])
        await tx.execute(this.values(unanswered=now))
        entry = Entry(
            kind="unanswered",
            actor="clock",
            subject=f"{incident['id']} {row['clock']}",
            incident=incident["id"],
            data={"asked": list(chain), "times": row["level"], "to": audience},
        )
        await append(tx, now, entry)
    since = incident["unanswered"] or now
    await tell(
        tx,
        now,
        key=f"nobody/{incident['id']}/{row['level']}/{row['climbed'] or row['breached']}",
        audience=audience,
        incident=incident["id"],
        loud=True,
        subject=f"{incident['priority']} {incident['id']}: UNANSWERED by {', '.join(chain)}"
        f" since {since:%H:%M:%S} UTC",
        body=brief(facts),
    )


async def _told(tx: Transaction, row: Row, now: datetime) -> None:
    this = (clocks.c.incident == row["incident"], clocks.c.clock == row["clock"])
    await tx.execute(update(clocks).where(*this).values(level=row["level"] + 1, climbed=now))
