"""What a passkey is asked to sign: random, for one person and one purpose, good once and briefly."""

import base64
import secrets
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, insert, select, update

from responder.errors import Refused
from responder.store import Store
from responder.store.factors import challenges

_BYTES = 32  # WebAuthn level 2, section 13.4.3, asks for 16 at least
_KEPT = timedelta(hours=1)  # so that one that comes late is told that it is late


async def make(
    store: Store,
    principal: str,
    purpose: str,
    now: datetime,
    *,
    lasts: timedelta,
    data: dict[str, Any] | None = None,
) -> bytes:
    """A new challenge for *principal* and *purpose*; *data* comes back when it is used."""
    challenge = secrets.token_bytes(_BYTES)
    async with store.transaction() as tx:
        await tx.execute(delete(challenges).where(challenges.c.expires < now - _KEPT))
        await tx.execute(
            insert(challenges).values(
                challenge=written(challenge),
                principal=principal,
                purpose=purpose,
                data=data or {},
                expires=now + lasts,
            )
        )
    return challenge


async def use(
    store: Store, challenge: str, principal: str, purpose: str, now: datetime
) -> dict[str, Any]:
    """
    Use *challenge* up, by one swap; returns its data.

    Raises `Refused` if it is not this person's, is for another purpose, was used or has ended.
    Another person's is said to be unknown, and stays good for them.
    """
    this = (challenges.c.challenge == challenge, challenges.c.principal == principal)
    async with store.transaction() as tx:
        row = (await tx.execute(select(challenges).where(*this).with_for_update())).one_or_none()
        if row is None:
            raise Refused(f"{principal}: the passkey answered no challenge of yours; try again")
        if row.purpose != purpose:
            raise Refused(
                f"{principal}: the passkey answered for something else than this; look again"
            )
        if row.used is not None:
            raise Refused(f"{principal}: that answer of the passkey was used before; try again")
        if now >= row.expires:
            raise Refused(
                f"{principal}: the passkey's challenge ended at {row.expires:%H:%M:%S} UTC; try again"
            )
        swapped = update(challenges).where(*this, challenges.c.used.is_(None)).values(used=now)
        if (await tx.execute(swapped)).rowcount != 1:
            raise Refused(f"{principal}: that answer of the passkey was used before; try again")
    data: dict[str, Any] = row.data
    return data


def written(challenge: bytes) -> str:
    """A challenge as browsers write it: base64url without padding."""
    return base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
