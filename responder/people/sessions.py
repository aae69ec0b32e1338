"""
Sessions of browsers: opaque, kept by the server as digests, an hour long, revocable one by one.

The cookie carries 256 random bits, and what only `serve` can make of them and of the row: whoever
writes a row into the store is signed in as nobody, nor as somebody else, nor for longer.

There is no "remember this device": the hour is absolute, counted from the sign-in (the owner's
`session_timeout: 3600`, `remember_device: False`).
"""

import base64
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, func, insert, select, update

from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.errors import StateError
from responder.store import Store
from responder.store.sessions import sessions

COOKIE: Final = "responder_session"
LIFETIME = timedelta(hours=1)
_KEPT = timedelta(days=30)  # after its end, so that who was signed in can be looked up
_LONGEST_AGENT = 200
_SEALED = ("digest", "principal", "method", "factors", "made", "expires")
_ID = 16  # hex digits of the digest: names a session without being able to use it


@dataclass(frozen=True)
class Session:
    """A browser that somebody is signed in with."""

    id: str
    principal: str
    method: str
    factors: tuple[str, ...]
    agent: str
    made: datetime
    expires: datetime
    csrf: str

    @property
    def plain(self) -> dict[str, Any]:
        """What may be shown of it: everything but the CSRF value."""
        return {
            "id": self.id,
            "principal": self.principal,
            "method": self.method,
            "factors": list(self.factors),
            "agent": self.agent,
            "made": self.made.isoformat(),
            "expires": self.expires.isoformat(),
        }


def cookie_name(origin: str) -> str:
    """The cookie's name at *origin*; over https no other host or path can set it (RFC 6265bis, `__Host-`)."""
    return f"__Host-{COOKIE}" if origin.startswith("https://") else COOKIE


async def begin(
    store: Store,
    ring: KeyRing,
    principal: str,
    *,
    method: str,
    factors: Iterable[str],
    agent: str,
    lifetime: timedelta = LIFETIME,
) -> str:
    """Sign *principal* in; returns what the cookie carries, which is kept nowhere. Audited."""
    bits, now, given = secrets.token_urlsafe(32), store.now(), list(factors)
    row: dict[str, Any] = {
        "digest": _digest(bits),
        "principal": principal,
        "method": method,
        "factors": given,
        "agent": _printable(agent),
        "made": now,
        "expires": now + lifetime,
    }
    entry = Entry(
        kind="signed-in",
        actor=principal,
        subject=f"session {row['digest'][:_ID]}",
        data={"method": method, "factors": [*given], "agent": str(row["agent"])},
    )
    async with store.transaction() as tx:
        await tx.execute(delete(sessions).where(sessions.c.expires < now - _KEPT))
        await tx.execute(insert(sessions).values(row))
        await append(tx, now, entry)
    seal = base64.urlsafe_b64encode(ring.seal_whole(b"", purpose=_purpose(row)))
    return f"{bits}.{seal.decode().rstrip('=')}"


async def holder(store: Store, ring: KeyRing, token: str) -> Session | None:
    """The session that *token* is of, if `serve` began it as its row says, and it has not ended."""
    query = select(sessions).where(sessions.c.digest == _digest(token))
    async with store.reading() as tx:
        row = (await tx.execute(query)).one_or_none()
    if row is None or row.ended is not None or row.expires <= store.now():
        return None
    if not _sealed(ring, token, row):
        return None
    return _session(row, _csrf(token))


async def of(store: Store, principal: str) -> list[Session]:
    """The sessions that *principal* has now, the newest first; without their CSRF values."""
    query = select(sessions).where(
        sessions.c.principal == principal,
        sessions.c.ended.is_(None),
        sessions.c.expires > store.now(),
    )
    async with store.reading() as tx:
        rows = (await tx.execute(query.order_by(sessions.c.made.desc()))).all()
    return [_session(row, "") for row in rows]


async def end(store: Store, token: str) -> bool:
    """Sign that browser out; False if it was not signed in."""
    return await _end(store, sessions.c.digest == _digest(token)) > 0


async def end_one(store: Store, principal: str, session: str) -> bool:
    """End one session of *principal* by its id; False if there is none."""
    this = func.substr(sessions.c.digest, 1, _ID) == session
    return await _end(store, this & (sessions.c.principal == principal)) > 0


async def end_all(store: Store, principal: str) -> int:
    """Sign *principal* out everywhere; returns how many sessions that ended."""
    return await _end(store, sessions.c.principal == principal)


async def _end(store: Store, which: Any) -> int:  # noqa: ANN401 - a condition
    now = store.now()
    these = update(sessions).where(which, sessions.c.ended.is_(None), sessions.c.expires > now)
    async with store.transaction() as tx:
        return (await tx.execute(these.values(ended=now))).rowcount


def _session(row: Any, csrf: str) -> Session:  # noqa: ANN401 - a row
    return Session(
        id=row.digest[:_ID],
        principal=row.principal,
        method=row.method,
        factors=tuple(row.factors),
        agent=row.agent,
        made=row.made,
        expires=row.expires,
        csrf=csrf,
    )


def _digest(token: str) -> str:
    """By the random bits of the cookie alone: what seals the row is over this."""
    return hashlib.sha256(token.partition(".")[0].encode()).hexdigest()


def _sealed(ring: KeyRing, token: str, row: Any) -> bool:  # noqa: ANN401 - a row
    """Whether `serve` sealed the *row* into *token*."""
    _, _, seal = token.partition(".")
    try:
        sealed = base64.urlsafe_b64decode(seal + "=" * (-len(seal) % 4))
        return (
            ring.open_whole(
                sealed, purpose=_purpose({name: getattr(row, name) for name in _SEALED})
            )
            == b""
        )
    except (ValueError, StateError):
        return False


def _purpose(row: Mapping[Any, Any]) -> str:
    """What a session's seal is over: whose it is, how they signed in, and until when."""
    moments = [row[name].astimezone(UTC).isoformat() for name in ("made", "expires")]
    said = [row["digest"], row["principal"], row["method"], [*row["factors"]], *moments]
    return f"session/{json.dumps(said)}"


def _csrf(token: str) -> str:
    """Bound to the session and not kept: only who has the cookie can have it computed."""
    return hashlib.sha256(b"csrf|" + token.encode()).hexdigest()


def _printable(agent: str) -> str:
    return "".join(c for c in agent if c.isprintable())[:_LONGEST_AGENT]
