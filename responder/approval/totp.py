"""The second factor by RFC 6238, each code good once: the last used time-step is swapped in the store."""

import secrets
from datetime import datetime, timedelta

import pyotp
from pyotp.totp import TOTP
from sqlalchemy import delete, insert, select, update

from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.store import Store, Transaction
from responder.store.factors import factors

KIND = "totp"
_STEP = 30  # seconds, RFC 6238 section 4.1
_DIGITS = 6
_TRIES = 5
_TRIES_WITHIN = timedelta(minutes=5)


def purpose(principal: str) -> str:
    """What the seed of *principal* is sealed for: it opens as nobody else's."""
    return f"totp/{principal}"


async def enrol(tx: Transaction, ring: KeyRing, principal: str) -> str:
    """Give *principal* a new secret; returns the `otpauth://` address for their app, shown once."""
    secret = pyotp.random_base32()
    await tx.execute(
        delete(factors).where(factors.c.principal == principal, factors.c.kind == KIND)
    )
    sealed = ring.seal_whole(secret.encode(), purpose=purpose(principal))
    await tx.execute(
        insert(factors).values(principal=principal, kind=KIND, secret=sealed, last_step=0, tries=[])
    )
    return TOTP(secret).provisioning_uri(name=principal, issuer_name="responder")


async def enrolled(tx: Transaction, principal: str) -> bool:
    """Whether *principal* has a second factor."""
    query = select(factors.c.kind).where(factors.c.principal == principal, factors.c.kind == KIND)
    return (await tx.execute(query)).first() is not None


async def check(store: Store, ring: KeyRing, principal: str, code: str) -> None:
    """
    Accept *code* once, or raise `Refused` with the reason.

    One step of clock difference either way is accepted (RFC 6238 section 5.2). The try is counted
    in a transaction of its own, so that failing does not give it back.
    """
    now = store.now()
    this = (factors.c.principal == principal, factors.c.kind == KIND)
    async with store.transaction() as tx:
        row = (await tx.execute(select(factors).where(*this).with_for_update())).one_or_none()
        if row is None:
            raise Refused(
                f"{principal} has no second factor yet\n\nhint: responder people enrol {principal}"
            )
        recent = [t for t in row.tries if datetime.fromisoformat(t) > now - _TRIES_WITHIN]
        locked = len(recent) >= _TRIES
        if not locked:
            await tx.execute(update(factors).where(*this).values(tries=[*recent, now.isoformat()]))
    if locked:
        raise Refused(
            f"{principal}: {_TRIES} codes in five minutes were tried; wait, then try again"
        )
    secret = ring.open_whole(row.secret, purpose=purpose(principal)).decode()
    step = _matching_step(secret, code, now)
    if step is None:
        raise Refused(f"{principal}: that code does not match; codes change every {_STEP} seconds")
    async with store.transaction() as tx:
        swapped = await tx.execute(
            update(factors)
            .where(*this, factors.c.last_step < step)
            .values(last_step=step, tries=[])
        )
    if swapped.rowcount != 1:
        raise Refused(f"{principal}: that code was used before; wait for the next one")


def _matching_step(secret: str, code: str, now: datetime) -> int | None:
    if not (code.isascii() and code.isdigit() and len(code) == _DIGITS):
        return None
    totp = TOTP(secret)
    current = int(now.timestamp()) // _STEP
    matching = None
    for step in (current - 1, current, current + 1):
        if secrets.compare_digest(totp.generate_otp(step), code):
            matching = step
    return matching
