"""
Bearer tokens of the API: RS256 JWTs (RFC 7519), good for 30 days at most, each revocable by its `jti`.

The signature says that we made it, the row that it still counts: a copy of the database makes no
token, and a copy of the key none that a row knows. A token's header is compared byte for byte with
the ones that we write, so nothing in it - `alg`, `jwk`, `jku`, `x5u`, `crit`, a path as `kid` - is
ever looked at, let alone obeyed (RFC 8725 sections 3.1 and 3.10).
"""

import asyncio
import base64
import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update

from responder.audit import Entry, append
from responder.errors import Refused
from responder.people.token_keys import ALGORITHM, TokenKeys
from responder.store import Store, Transaction
from responder.store.sessions import tokens
from responder.verbs.telling import tell_audited

ISSUER: Final = "responder"
AUDIENCE: Final = "responder-api"
LIFETIME = timedelta(days=30)
_SHORTEST = timedelta(minutes=1)
_LEEWAY = 60  # seconds that another machine's clock may be ahead
_LONGEST = 4096  # characters; ours have about 600
_ID = 16  # hex digits: names a token without being able to use it
_KEPT = timedelta(days=90)  # after its end, so that what it was can be looked up
_CLAIMS = frozenset({"iss", "aud", "sub", "iat", "exp", "jti"})


@dataclass(frozen=True)
class Issued:
    """A token as it is listed: what it is called, and until when it counts."""

    id: str
    principal: str
    made: datetime
    expires: datetime
    revoked: datetime | None


async def issue(
    store: Store, keys: TokenKeys, principal: str, lifetime: timedelta = LIFETIME
) -> str:
    """A new token of *principal*; shown once. Raises `Refused` for a lifetime beyond 30 days."""
    must_be_lasting(lifetime)
    from joserfc import jwt  # noqa: PLC0415 - a third of a second, only with tokens

    now = store.now().replace(microsecond=0)
    kid, key = keys.signing()
    claims: dict[str, Any] = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": principal,
        "iat": int(now.timestamp()),
        "exp": int((now + lifetime).timestamp()),
        "jti": secrets.token_urlsafe(24),
    }
    token = jwt.encode(_header(kid), claims, key, algorithms=[ALGORITHM])
    row = {
        "digest": _digest(claims["jti"]),
        "principal": principal,
        "made": now,
        "expires": now + lifetime,
        "kid": kid,
    }
    async with store.transaction() as tx:
        await tx.execute(delete(tokens).where(tokens.c.expires < now - _KEPT))
        await tx.execute(insert(tokens).values(row))
    return token


def must_be_lasting(lifetime: timedelta) -> None:
    """Raise `Refused` for a lifetime that no token may have."""
    if not _SHORTEST <= lifetime <= LIFETIME:
        raise Refused(
            f"a token's lifetime: expected a minute to {LIFETIME.days} days, found {lifetime}; "
            "no token was made"
        )


async def issue_and_tell(
    store: Store, keys: TokenKeys, principal: str, lifetime: timedelta, *, by: str
) -> tuple[str, datetime]:
    """A new token of *principal* and when it ends; audited, and told to them."""
    token, now = await issue(store, keys, principal, lifetime), store.now()
    async with store.transaction() as tx:
        await tell_audited(
            tx,
            now,
            Entry(kind="token", actor=by, subject=principal, data={"lifetime": str(lifetime)}),
            key=f"token/{principal}/{now.isoformat()}",
            audience=principal,
            subject=f"a token of the API was made that acts as {principal}, good for {lifetime}",
            body=f"By {by}. If that was not wanted: responder people sign-out {principal}",
        )
    return token, now + lifetime


async def rotate_key(
    store: Store, keys: TokenKeys, *, at_once: bool, reason: str, by: str
) -> dict[str, Any]:
    """Sign with a new key; the old one verifies until its last token ends, or no longer. Audited."""
    now = store.now()
    (old, *_) = await asyncio.to_thread(keys.accepted, now)
    async with store.reading() as tx:
        last = await last_of(tx, old)
    until = now if at_once or last is None else max(last, now)
    new = await asyncio.to_thread(keys.rotate, now, until)
    ended = {"old": old, "old_until": until.isoformat()}
    data: dict[str, Any] = ended | {"at_once": at_once, "reason": reason}
    async with store.transaction() as tx:
        await append(tx, now, Entry(kind="token-key-rotated", actor=by, subject=new, data=data))
    return {"key": new} | ended


async def holder(
    store: Store, keys: TokenKeys, token: str, *, ahead: timedelta = timedelta(0)
) -> str | None:
    """Whose token it is, if it is one and still good, and will be for as long as *ahead*."""
    now = store.now() + ahead
    claims = _verified(keys, token, now)
    if claims is None or not _in_force(claims, now):
        return None
    query = select(tokens).where(tokens.c.digest == _digest(claims["jti"]))
    async with store.reading() as tx:
        row = (await tx.execute(query)).one_or_none()
    if row is None or row.revoked is not None or row.expires <= now:
        return None
    return row.principal if row.principal == claims["sub"] else None


def _verified(keys: TokenKeys, token: str, now: datetime) -> dict[str, Any] | None:
    """The claims of a token that one of *keys* signed, or None."""
    head, _, _ = token.partition(".")
    if not token.isascii() or len(token) > _LONGEST or (kid := _kid(head)) is None:
        return None
    key = keys.verifying(kid, now)
    if key is None:
        return None
    from joserfc import jwt  # noqa: PLC0415 - see above
    from joserfc.errors import JoseError  # noqa: PLC0415

    try:
        return jwt.decode(token, key, algorithms=[ALGORITHM]).claims
    except (JoseError, ValueError):
        return None


def _in_force(claims: dict[str, Any], now: datetime) -> bool:
    """Whether *claims* are all of those that we write, of the right kinds, and of this moment."""
    moment, issued, expires = now.timestamp(), claims.get("iat"), claims.get("exp")
    return (
        claims.keys() == _CLAIMS
        and claims["iss"] == ISSUER
        and claims["aud"] == AUDIENCE
        and isinstance(claims["sub"], str)
        and isinstance(claims["jti"], str)
        and type(issued) is int
        and type(expires) is int
        and issued <= moment + _LEEWAY
        and moment < expires <= issued + LIFETIME.total_seconds()
    )


async def of(store: Store, principal: str) -> list[Issued]:
    """The tokens of *principal* that count now, the newest first."""
    query = select(tokens).where(
        tokens.c.principal == principal,
        tokens.c.revoked.is_(None),
        tokens.c.expires > store.now(),
    )
    async with store.reading() as tx:
        rows = (await tx.execute(query.order_by(tokens.c.made.desc()))).all()
    return [Issued(r.digest[:_ID], r.principal, r.made, r.expires, r.revoked) for r in rows]


async def revoke(store: Store, principal: str, token: str) -> bool:
    """End one token of *principal* by the id it is listed with; False if there is none."""
    this = func.substr(tokens.c.digest, 1, _ID) == token
    return await _end(store, this & (tokens.c.principal == principal)) > 0


async def revoke_all(store: Store, principal: str) -> int:
    """End every token of *principal*; returns how many."""
    return await _end(store, tokens.c.principal == principal)


async def last_of(tx: Transaction, kid: str) -> datetime | None:
    """When the last token that *kid* signed ends by itself; None if none counts any more."""
    query = select(func.max(tokens.c.expires)).where(
        tokens.c.kid == kid, tokens.c.revoked.is_(None)
    )
    found: datetime | None = (await tx.execute(query)).scalar()
    return found


async def _end(store: Store, which: Any) -> int:  # noqa: ANN401 - a condition
    now = store.now()
    these = update(tokens).where(which, tokens.c.revoked.is_(None), tokens.c.expires > now)
    async with store.transaction() as tx:
        return (await tx.execute(these.values(revoked=now))).rowcount


def _header(kid: str) -> dict[str, str]:
    return {"typ": "JWT", "alg": ALGORITHM, "kid": kid}


def _written(kid: str) -> str:
    """The header of our tokens of that key as it stands in them."""
    plain = json.dumps(_header(kid), separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(plain).rstrip(b"=").decode()


def _kid(head: str) -> str | None:
    """The key's id in a header that is exactly one of ours."""
    try:
        kid = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return kid if isinstance(kid, str) and head == _written(kid) else None


def _digest(jti: str) -> str:
    return hashlib.sha256(jti.encode()).hexdigest()
