"""
How often somebody may try a code, of all kinds together: five in a row, then a wait that grows each time.

Five minutes, a quarter of an hour, an hour, then a day; a code that holds, a ticket or a new enrolment
ends all of it. Wrong codes are audited, and told before they are many.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select, update

from responder.approval.announcing import announce
from responder.audit import Entry, append
from responder.errors import Refused
from responder.store import Store, Transaction
from responder.store.factors import factor_tries
from responder.store.rows import insert_new
from responder.verbs.telling import tell

TRIES = 5
WAITS = (timedelta(minutes=5), timedelta(minutes=15), timedelta(hours=1), timedelta(days=1))
_TELL_AT = 3  # wrong ones in a row


async def count(store: Store, principal: str, now: datetime) -> None:
    """
    Count one try before it is looked at, or raise `Refused` while its person has to wait.

    In a transaction of its own, so that failing does not give the try back.
    """
    async with store.transaction() as tx:
        kept = await _kept(tx, principal, lock=True)
        until = datetime.fromisoformat(kept["until"]) if kept["until"] else None
        if until is None or now >= until:
            # A wait that is over leaves a round of tries, and the next wait is the longer one.
            tries = [*(kept["tries"] if until is None else ()), now.isoformat()]
            state = {"tries": tries, "waits": kept["waits"], "until": None}
            if len(tries) >= TRIES:
                wait = WAITS[min(kept["waits"], len(WAITS) - 1)]
                state |= {"waits": kept["waits"] + 1, "until": (now + wait).isoformat()}
            if not await insert_new(tx, factor_tries, {"principal": principal, "tries": state}):
                this = update(factor_tries).where(factor_tries.c.principal == principal)
                await tx.execute(this.values(tries=state))
            return
    raise Refused(
        f"{principal}: {TRIES} codes in a row were wrong; no code is looked at until "
        f"{until:%Y-%m-%d %H:%M:%S} UTC, a passkey still is\n\n"
        f"hint: if that was not you, `responder people sign-out {principal}` and a new ticket from an admin"
    )


async def wrong(store: Store, principal: str, kind: str, now: datetime) -> None:
    """A code that was counted did not hold: audited, told to its person from the third, then to security."""
    async with store.transaction() as tx:
        kept = await _kept(tx, principal)
        tries, until = kept["tries"], kept["until"]
        data = {"kind": kind, "in_a_row": len(tries), "until": until}
        entry = Entry(kind="factor-refused", actor=principal, subject=principal, data=data)
        await append(tx, now, entry)
        if len(tries) < _TELL_AT:
            return
        key = f"factor-refused/{principal}/{tries[0]}"
        body = (
            "If that was not you, somebody has your password, a token or a browser of yours: "
            f"responder people sign-out {principal}"
        )
        if until is None:
            subject = f"{principal}: {len(tries)} wrong codes of a second factor in a row"
            await tell(tx, now, key=key, audience=principal, subject=subject, body=body, loud=True)
            return
        locked = f"{datetime.fromisoformat(until):%Y-%m-%d %H:%M:%S} UTC"
        await announce(
            tx,
            now,
            Entry(kind="factor-locked", actor=principal, subject=principal, data=data),
            to=principal,
            key=f"{key}/locked",
            subject=f"{principal}: {TRIES} wrong codes of a second factor; none is looked at until {locked}",
            body=body,
        )


async def forget(tx: Transaction, principal: str) -> None:
    """Somebody proved who they are, or begins anew: the tries and waits before it no longer count."""
    await tx.execute(delete(factor_tries).where(factor_tries.c.principal == principal))


async def _kept(tx: Transaction, principal: str, *, lock: bool = False) -> dict[str, Any]:
    """What is kept: the tries of this round, how many waits there were, and until when it is waited."""
    query = select(factor_tries.c.tries).where(factor_tries.c.principal == principal)
    found = (await tx.execute(query.with_for_update() if lock else query)).scalar_one_or_none()
    if isinstance(found, dict):
        return found
    # None, or what an older version wrote: the moments alone.
    return {"tries": found or [], "waits": 0, "until": None}
