"""Bearer tokens of the API: opaque, kept as digests only, revocable."""

import hashlib
import secrets
from datetime import timedelta

from sqlalchemy import insert, select, update

from responder.store import Store
from responder.store.sessions import tokens

LIFETIME = timedelta(days=30)
_PREFIX = "rsp_"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


async def issue(store: Store, principal: str, lifetime: timedelta = LIFETIME) -> str:
    """A new token of *principal*; shown once, kept as a digest."""
    token = _PREFIX + secrets.token_urlsafe(32)
    now = store.now()
    async with store.transaction() as tx:
        row = {
            "digest": _digest(token),
            "principal": principal,
            "made": now,
            "expires": now + lifetime,
            "kid": "",
        }
        await tx.execute(insert(tokens).values(row))
    return token


async def holder(store: Store, token: str) -> str | None:
    """Whose token it is, if it is one and still good."""
    if not token.startswith(_PREFIX):
        return None
    async with store.reading() as tx:
        row = (
            await tx.execute(select(tokens).where(tokens.c.digest == _digest(token)))
        ).one_or_none()
    if row is None or row.revoked is not None or row.expires <= store.now():
        return None
    return str(row.principal)


async def revoke_all(store: Store, principal: str) -> int:
    """End every token of *principal*; returns how many."""
    async with store.transaction() as tx:
        this = update(tokens).where(tokens.c.principal == principal, tokens.c.revoked.is_(None))
        return (await tx.execute(this.values(revoked=store.now()))).rowcount
