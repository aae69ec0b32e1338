"""The second factor by RFC 6238, each code good once: the last used time-step is swapped in the store."""

import secrets
from datetime import datetime

import pyotp
from pyotp.totp import TOTP
from sqlalchemy import delete, insert, select, update

from responder.approval import tries
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.store import Store, Transaction
from responder.store.factors import factors

KIND = "totp"
DIGITS = 6
_STEP = 30  # seconds, RFC 6238 section 4.1


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
        insert(factors).values(principal=principal, kind=KIND, secret=sealed, last_step=0)
    )
    await tries.forget(tx, principal)
    return TOTP(secret).provisioning_uri(name=principal, issuer_name="responder")


async def enrolled(tx: Transaction, principal: str) -> bool:
    """Whether *principal* has an authenticator app."""
    query = select(factors.c.kind).where(factors.c.principal == principal, factors.c.kind == KIND)
    return (await tx.execute(query)).first() is not None


async def check(store: Store, ring: KeyRing, principal: str, code: str, now: datetime) -> None:
    """
    Accept *code* once, or raise `Refused` with the reason.

    One step of clock difference either way is accepted (RFC 6238 section 5.2).
    """
    this = (factors.c.principal == principal, factors.c.kind == KIND)
    async with store.reading() as tx:
        row = (await tx.execute(select(factors).where(*this))).one_or_none()
    if row is None:
        raise Refused(
            f"{principal} has no authenticator app as a second factor yet\n\n"
            f"hint: responder people enrol {principal}"
        )
    await tries.count(store, principal, now)
    secret = ring.open_whole(row.secret, purpose=purpose(principal)).decode()
    step = _matching_step(secret, code, now)
    if step is None:
        await tries.wrong(store, principal, KIND, now)
        raise Refused(f"{principal}: that code does not match; codes change every {_STEP} seconds")
    async with store.transaction() as tx:
        swapped = await tx.execute(
            update(factors).where(*this, factors.c.last_step < step).values(last_step=step)
        )
        if swapped.rowcount == 1:
            await tries.forget(tx, principal)
    if swapped.rowcount != 1:
        await tries.wrong(store, principal, KIND, now)
        raise Refused(f"{principal}: that code was used before; wait for the next one")


def _matching_step(secret: str, code: str, now: datetime) -> int | None:
    if not (code.isascii() and code.isdigit() and len(code) == DIGITS):
        return None
    totp = TOTP(secret)
    current = int(now.timestamp()) // _STEP
    matching = None
    for step in (current - 1, current, current + 1):
        if secrets.compare_digest(totp.generate_otp(step), code):
            matching = step
    return matching
