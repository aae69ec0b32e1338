"""What a person does to an incident as a whole: take it, and close it."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update

from responder.approval.lease_drawing import Wish
from responder.approval.leasing import Leasing, Proof
from responder.audit import Entry, append
from responder.errors import Missing, Refused
from responder.people.person import Person
from responder.policy.leases import LeaseKind
from responder.policy.sla import Clock
from responder.standing.clocks import meet
from responder.store import Store
from responder.store.tables import asks, incidents, runs
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
            raise Missing(f"{incident_id}: there is no such open incident")
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
    store: Store,
    leasing: Leasing,
    incident_id: str,
    person: Person,
    resolution: Resolution,
    proof: Proof | None = None,
    *,
    method: str = "api token",
) -> Mapping[Any, Any] | None:
    """
    Close an incident; returns the ask that ends what it holds, if it was a false positive.

    Closing releases nothing by itself: what is contained stays leased to its end. Only a false
    positive ends its own holds, newest first, all by one signed decision that is as heavy as the
    heaviest of them. Where that takes a second person the incident is closed now, and its holds end
    when they have approved. Raises `Refused` if *person* may not, and closes nothing then.
    """
    prepared = None
    if resolution is Resolution.FALSE_POSITIVE:
        reason = f"undo {incident_id}: it was a false positive"
        wish = Wish(kind=LeaseKind.END, incident=incident_id, reason=reason)
        prepared = await leasing.prepare(wish, person, proof or Proof(), method=method)
    else:
        await leasing.prove_closing(incident_id, person, proof or Proof())
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
            raise Missing(f"{incident_id}: there is no such open incident")
        for clock in Clock:
            await meet(tx, incident_id, clock, now)
        # What would be done is not done any more; what is held is still decided about.
        of = (asks.c.incident == incident_id, asks.c.kind == "step", asks.c.state == "open")
        await tx.execute(update(asks).where(*of).values(state="denied", decided=now))
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
        return None if prepared is None else await leasing.put(tx, prepared)
