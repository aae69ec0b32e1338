"""
Enrolment tickets: an admin's word that somebody may add one second factor, good once and briefly.

Without one, whoever steals a person's token before they have a second factor could add their own.
"""

import hashlib
import secrets
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update

from responder.approval import tries
from responder.approval.announcing import announce
from responder.audit import Entry
from responder.errors import Refused
from responder.store import Store, Transaction
from responder.store.factors import enrolment_tickets

LASTS = timedelta(minutes=15)
_BYTES = 24  # 192 bits: nothing to try


async def issue(store: Store, principal: str, by: str, now: datetime) -> str:
    """A new ticket for *principal*, shown once; one that they had before ends. Audited, and told."""
    ticket = secrets.token_urlsafe(_BYTES)
    expires = now + LASTS
    row = {"digest": digest(ticket), "principal": principal, "made_by": by, "expires": expires}
    async with store.transaction() as tx:
        this = (enrolment_tickets.c.principal == principal, enrolment_tickets.c.used.is_(None))
        await tx.execute(delete(enrolment_tickets).where(*this))
        await tx.execute(insert(enrolment_tickets).values(row))
        await announce(
            tx,
            now,
            Entry(
                kind="ticket",
                actor=by,
                subject=principal,
                data={"for": "enrolment", "expires": expires.isoformat()},
            ),
            to=principal,
            key=f"ticket/{row['digest']}",
            subject=f"{principal}: {by} lets you add one second factor until {expires:%H:%M} UTC",
            body=f"{by} gives you the ticket themselves. If you did not ask for it, tell security.",
        )
    return ticket


async def must_be_good(tx: Transaction, principal: str, kept: str, now: datetime) -> None:
    """Raise `Refused` unless the ticket with the digest *kept* is *principal*'s, unused and in time."""
    this = (enrolment_tickets.c.digest == kept, enrolment_tickets.c.principal == principal)
    row = (await tx.execute(select(enrolment_tickets).where(*this))).one_or_none()
    if row is None or row.used is not None or now >= row.expires:
        raise Refused(
            f"{principal}: expected an enrolment ticket of yours that is good, found one that was used, "
            f"has ended or was never made\n\nhint: an admin runs `responder people ticket {principal}`"
        )


async def redeem(tx: Transaction, principal: str, kept: str, now: datetime) -> None:
    """Use the ticket with the digest *kept* up, by one swap, or raise `Refused`."""
    await must_be_good(tx, principal, kept, now)
    this = (enrolment_tickets.c.digest == kept, enrolment_tickets.c.used.is_(None))
    if (await tx.execute(update(enrolment_tickets).where(*this).values(used=now))).rowcount != 1:
        raise Refused(f"{principal}: that enrolment ticket was used before")
    await tries.forget(tx, principal)  # an admin's word: whoever was kept waiting begins anew


async def givers(tx: Transaction, principal: str, since: datetime) -> tuple[str, ...]:
    """Whose tickets *principal* used after *since*, and whose those in turn, each once."""
    found: set[str] = set()
    new = {principal}
    while new:
        query = select(enrolment_tickets.c.made_by).where(
            enrolment_tickets.c.principal.in_(new), enrolment_tickets.c.used > since
        )
        new = {*(await tx.execute(query)).scalars()} - found
        found |= new
    return tuple(sorted(found - {principal}))


def digest(ticket: str) -> str:
    """How a ticket is kept: the SHA-256 of it."""
    return hashlib.sha256(ticket.encode()).hexdigest()
