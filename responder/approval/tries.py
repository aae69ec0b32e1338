"""How often somebody may try a code: five times in five minutes, of all kinds of code together."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select, update

from responder.errors import Refused
from responder.store import Store, Transaction
from responder.store.factors import factor_tries
from responder.store.rows import insert_new

TRIES = 5
WITHIN = timedelta(minutes=5)


async def count(store: Store, principal: str, now: datetime) -> None:
    """
    Count one try, or raise `Refused` if there were too many.

    In a transaction of its own, so that failing does not give the try back.
    """
    async with store.transaction() as tx:
        query = select(factor_tries.c.tries).where(factor_tries.c.principal == principal)
        kept = (await tx.execute(query.with_for_update())).scalar_one_or_none() or []
        recent = [moment for moment in kept if datetime.fromisoformat(moment) > now - WITHIN]
        locked = len(recent) >= TRIES
        if not locked:
            tries = [*recent, now.isoformat()]
            if not await insert_new(tx, factor_tries, {"principal": principal, "tries": tries}):
                this = update(factor_tries).where(factor_tries.c.principal == principal)
                await tx.execute(this.values(tries=tries))
    if locked:
        raise Refused(
            f"{principal}: {TRIES} codes in five minutes were tried; wait, then try again"
        )


async def forget(tx: Transaction, principal: str) -> None:
    """Somebody proved who they are: the tries before it no longer count."""
    await tx.execute(delete(factor_tries).where(factor_tries.c.principal == principal))
