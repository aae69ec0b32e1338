"""What a person does to an incident and its leases: take it, close it, end a hold early."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update

from responder.approval import totp
from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.people.person import Person
from responder.policy.sla import Clock
from responder.policy.tiers import Tier
from responder.standing.clocks import meet
from responder.store import Store, Transaction
from responder.store.tables import asks, holds, incidents, runs
from responder.verbs.asking import bump


class Resolution(StrEnum):
    """Why an incident is closed."""

    RESOLVED = "resolved"
    FALSE_POSITIVE = "false_positive"


async def acknowledge(store: Store, incident_id: str, person: Person) -> None:
    """
    Make *person* the owner, which stops the acknowledge clock and the climbing of the chain.

    Acknowledging again changes nothing. Raises `Refused` if it is somebody else's: that is to be
    taken over, so that two do not both believe that it is theirs.
    """
    now = store.now()
    async with store.transaction() as tx:
        query = select(incidents).where(incidents.c.id == incident_id, incidents.c.closed.is_(None))
        found = (await tx.execute(query.with_for_update())).mappings().one_or_none()
        if found is None:
            raise Refused(f"{incident_id}: there is no such open incident")
        if found["acknowledged"] is not None and found["owner"] == person.name:
            return
        if found["acknowledged"] is not None:
            raise Refused(
                f"{incident_id} is {found['owner']}'s since {found['acknowledged']:%H:%M:%S} UTC; "
                f"to take it over: responder incidents take {incident_id}"
            )
        this = update(incidents).where(incidents.c.id == incident_id)
        values = {"owner": person.name, "acknowledged": now, "unanswered": None}
        await tx.execute(this.values(values))
        await meet(tx, incident_id, Clock.ACKNOWLEDGE, now)
        await bump(tx, incident_id)
        entry = Entry(
            kind="acknowledged", actor=person.name, subject=incident_id, incident=incident_id
        )
        await append(tx, now, entry)


async def close(
    store: Store, ring: KeyRing, incident_id: str, person: Person, resolution: Resolution, code: str
) -> list[str]:
    """
    Close an incident; returns the resources whose holds ended by it.

    Closing releases nothing by itself: what is contained stays leased to its end. Only a false
    positive ends its own holds, with the second factor that the heaviest of them took.
    """
    live = await live_holds(store, incident_id)
    if resolution is Resolution.FALSE_POSITIVE:
        await _step_up(store, ring, person, live, code)
    now = store.now()
    async with store.transaction() as tx:
        values = {
            "closed": now,
            "open_key": None,
            "resolution": resolution,
            "status": f"closed: {resolution}",
        }
        this = update(incidents).where(incidents.c.id == incident_id, incidents.c.closed.is_(None))
        if (await tx.execute(this.values(values))).rowcount != 1:
            raise Refused(f"{incident_id}: there is no such open incident")
        for clock in Clock:
            await meet(tx, incident_id, clock, now)
        await tx.execute(
            update(asks)
            .where(asks.c.incident == incident_id, asks.c.state == "open")
            .values(state="denied", decided=now)
        )
        await tx.execute(
            update(runs)
            .where(runs.c.incident == incident_id, runs.c.closed.is_(None))
            .values(closed=now, state="ended", said=f"the incident was closed: {resolution}")
        )
        entry = Entry(
            kind="closed",
            actor=person.name,
            subject=incident_id,
            incident=incident_id,
            data={"resolution": resolution},
        )
        await append(tx, now, entry)
        await bump(tx, incident_id)
        if resolution is Resolution.FALSE_POSITIVE:
            await _end(tx, store, live, person)
    return [hold["resource"] for hold in live] if resolution is Resolution.FALSE_POSITIVE else []


async def end_holds(
    store: Store,
    ring: KeyRing,
    person: Person,
    code: str,
    *,
    hold: str | None = None,
    resource: str | None = None,
) -> list[str]:
    """End one hold, or every hold on one resource, now; returns the resources to be looked at."""
    live = await live_holds(store, hold=hold, resource=resource)
    if not live:
        raise Refused(f"nothing live is held by {hold or resource}")
    await _step_up(store, ring, person, live, code)
    async with store.transaction() as tx:
        await _end(tx, store, live, person)
    return list(dict.fromkeys(one["resource"] for one in live))


async def live_holds(
    store: Store,
    incident: str | None = None,
    *,
    hold: str | None = None,
    resource: str | None = None,
) -> Sequence[Mapping[Any, Any]]:
    """The holds that have not ended, of an incident, of a resource, or one by its id."""
    query = select(holds).where(holds.c.ended.is_(None))
    if incident is not None:
        query = query.where(holds.c.incident == incident)
    if hold is not None:
        query = query.where(holds.c.id == hold)
    if resource is not None:
        query = query.where(holds.c.resource == resource)
    async with store.reading() as tx:
        return (await tx.execute(query.order_by(holds.c.taken))).mappings().all()


async def _step_up(
    store: Store, ring: KeyRing, person: Person, live: Sequence[Mapping[Any, Any]], code: str
) -> None:
    """Ending early is tiered like the change: what took a second factor takes one to let go."""
    heavy = [hold for hold in live if Tier(hold["tier"]).rank >= Tier.T2.rank]
    if not heavy:
        return
    if not code:
        raise Refused(
            f"{heavy[0]['summary']} is {heavy[0]['tier']}: ending it needs a code of your second factor"
        )
    await totp.check(store, ring, person.name, code, store.now())


async def _end(
    tx: Transaction, store: Store, live: Sequence[Mapping[Any, Any]], person: Person
) -> None:
    now = store.now()
    for one in live:
        this = update(holds).where(holds.c.id == one["id"], holds.c.ended.is_(None))
        if (await tx.execute(this.values(ended=now, ended_by=person.name))).rowcount != 1:
            continue
        entry = Entry(
            kind="hold ended",
            actor=person.name,
            subject=one["id"],
            incident=one["incident"],
            data={"resource": one["resource"], "summary": one["summary"]},
        )
        await append(tx, now, entry)
        await bump(tx, one["incident"])
