"""The clocks of an incident: started, met, and struck when something is due; once each."""

from datetime import datetime, timedelta

from sqlalchemy import insert, update

from responder.incident import Priority
from responder.policy.judge import Policy
from responder.policy.sla import Clock, Targets
from responder.standing.approving import follow_asks
from responder.standing.climbing import climb
from responder.standing.duties import strike_duties
from responder.standing.facts import Facts, load
from responder.standing.lapsing import lapse
from responder.standing.reminding import remind
from responder.standing.timing import Next, afresh, earliest, first_strike
from responder.standing.updating import miss
from responder.store.database import Transaction
from responder.store.tables import clocks, incidents

__all__ = ["Next", "first_strike", "look_now", "meet", "start_clocks", "strike"]

_SECOND = timedelta(seconds=1)


async def start_clocks(
    tx: Transaction,
    incident: str,
    targets: Targets,
    opened: datetime,
    contain_within: timedelta | None,
) -> None:
    """Write down an incident's clocks, from the moment it was accepted."""
    rows = [
        {"incident": incident, "clock": clock, **afresh(opened, within, targets.hours)}
        for clock, within in targets.started(contain_within).items()
    ]
    await tx.execute(insert(clocks), rows)


async def meet(tx: Transaction, incident: str, clock: Clock, now: datetime) -> bool:
    """Stop a clock; returns whether it was running."""
    met = await tx.execute(
        update(clocks)
        .where(clocks.c.incident == incident, clocks.c.clock == clock, clocks.c.met.is_(None))
        .values(met=now)
    )
    return met.rowcount == 1


async def look_now(tx: Transaction, incident: str, now: datetime) -> None:
    """Have the incident looked at even if its workflow does not: the nudger goes by this."""
    this = update(incidents).where(incidents.c.id == incident)
    await tx.execute(this.values(next_strike=now))


async def strike(
    tx: Transaction, facts: Facts, policy: Policy, now: datetime
) -> tuple[bool, Next | None]:
    """
    Say everything that is due by *now*, once each.

    Returns whether anything was, and when there is next something to say.
    """
    name, targets = facts.incident["id"], policy.sla[Priority(facts.incident["priority"])]
    changed = await follow_asks(tx, facts, now)
    lapsed, lapses = await lapse(tx, facts, targets, now)
    struck = changed or lapsed
    if struck:
        facts = await load(tx, name, now) or facts
    nexts: list[Next | None] = [lapses]
    for row in facts.clocks:
        if row["met"] is not None or row["breached"] is not None:
            continue
        strikes_now = miss if row["clock"] == Clock.UPDATE else remind
        due, found = await strikes_now(tx, facts, targets, row, now)
        struck = struck or due
        nexts.append(found)
    if struck:
        facts = await load(tx, name, now) or facts
    climbed, climbs = await climb(tx, facts, targets, now)
    reported, reports = await strike_duties(tx, facts, policy.duties, now)
    upcoming = earliest(*nexts, climbs, reports)
    if upcoming is not None and upcoming.at <= now:
        upcoming = upcoming.model_copy(update={"at": now + _SECOND})
    return struck or climbed or reported, upcoming
