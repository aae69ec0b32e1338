"""Acknowledging is not owning: an acknowledgement lapses when nothing is done about the incident."""

from datetime import datetime

from sqlalchemy import func, or_, select, update

from responder.audit import Entry, append
from responder.policy.sla import Clock, Targets
from responder.policy.working_time import after
from responder.standing.brief import brief
from responder.standing.climbing import restart
from responder.standing.facts import Facts
from responder.standing.timing import Next, afresh, chain_of
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import audit, clocks, incidents
from responder.verbs.telling import tell

# What counts as something done, by its entries in the audit; so do all that end or extend a lease.
PROGRESS = (
    "taken", "note", "decided", "reprioritised", "paused",
    "duty", "reported", "run ended", "page acknowledged", "revoked", "edited",
)  # fmt: skip
_OF_LEASES = ("hold %", "lease %")


async def lapse(
    tx: Transaction, facts: Facts, targets: Targets, now: datetime
) -> tuple[bool, Next | None]:
    """Take the acknowledgement back if it is time; returns whether it was, or when it will be."""
    incident = facts.incident
    if incident["acknowledged"] is None or targets.lapses is None:
        await _note(tx, incident, None)
        return False, None
    since = await _last_progress(tx, incident["id"], incident["acknowledged"])
    at = after(since, targets.lapses, targets.hours)
    if at > now:
        await _note(tx, incident, at)
        return False, Next(at=at, summary=f"the acknowledgement lapses at {at:%H:%M:%S} UTC")
    owner = incident["owner"]
    this = update(incidents).where(incidents.c.id == incident["id"])
    await tx.execute(this.values(acknowledged=None, owner=None, lapses=None))
    again = afresh(now, targets.acknowledge, targets.hours)
    clock = (clocks.c.incident == incident["id"], clocks.c.clock == Clock.ACKNOWLEDGE)
    await tx.execute(update(clocks).where(*clock).values(again))
    await restart(tx, incident["id"], now)
    entry = Entry(
        kind="lapsed",
        actor="clock",
        subject=incident["id"],
        incident=incident["id"],
        data={"owner": owner, "since": since.isoformat()},
    )
    await append(tx, now, entry)
    for audience in dict.fromkeys(filter(None, (owner, chain_of(incident, targets)[0]))):
        await tell(
            tx,
            now,
            key=f"lapsed/{incident['id']}/{audience}/{now.isoformat()}",
            audience=audience,
            incident=incident["id"],
            loud=True,
            subject=f"{incident['priority']} {incident['id']}: nothing done since {since:%H:%M:%S} UTC, "
            f"no longer {owner}'s",
            body=brief(facts),
        )
    return True, None


async def _last_progress(tx: Transaction, incident: str, acknowledged: datetime) -> datetime:
    query = select(func.max(audit.c.at)).where(
        audit.c.incident == incident,
        or_(audit.c.kind.in_(PROGRESS), *(audit.c.kind.like(one) for one in _OF_LEASES)),
    )
    found = (await tx.execute(query)).scalar()
    return acknowledged if found is None else max(found, acknowledged)


async def _note(tx: Transaction, incident: Row, at: datetime | None) -> None:
    if incident["lapses"] != at:
        this = update(incidents).where(incidents.c.id == incident["id"])
        await tx.execute(this.values(lapses=at))
