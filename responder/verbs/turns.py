"""Whose turn it is to be undone: what one decision ended goes newest first, one after the other."""

from datetime import datetime, timedelta

from sqlalchemy import exists, select

from responder.policy.leases import LeaseKind
from responder.store.database import Transaction
from responder.store.leasing import leased
from responder.store.tables import asks, holds, resources

# Nothing waits longer for its turn than this after the decision, whatever came before it.
_LONGEST = timedelta(seconds=30)
_LOOK_AGAIN = timedelta(milliseconds=250)


async def turn(tx: Transaction, name: str, hold: str, now: datetime) -> datetime | None:
    """
    When to look again if the resource *name*, last held by *hold*, must wait; None if it is its turn.

    It waits until what comes before it is undone, or was tried and could not be. What somebody
    else still holds is not undone, so nobody waits for it.
    """
    mine, other = leased.alias(), holds.alias()
    still_held = select(other.c.id).where(
        other.c.resource == resources.c.name, other.c.ended.is_(None)
    )
    query = (
        select(resources.c.name)
        .join(holds, holds.c.resource == resources.c.name)
        .join(leased, leased.c.hold == holds.c.id)
        .join(asks, asks.c.id == leased.c.ask)
        .join(mine, mine.c.ask == leased.c.ask)
        .where(
            mine.c.hold == hold,
            leased.c.position < mine.c.position,
            asks.c.kind == LeaseKind.END,
            asks.c.applied > now - _LONGEST,
            resources.c.name != name,
            resources.c.state.in_(("held", "lifting")),
            resources.c.attempts == 0,
            ~exists(still_held),
        )
        .limit(1)
    )
    waits = (await tx.execute(query)).first() is not None
    return now + _LOOK_AGAIN if waits else None
