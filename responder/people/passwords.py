"""
Passwords of local people: Argon2id (RFC 9106), never alone - a second factor goes with every sign-in.

Set on the machine itself, for the first admin and for when the OIDC provider is away.
"""

import unicodedata
from functools import cache
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert, select, update

from responder.audit import Entry, append
from responder.crypto.hard_work import in_turn
from responder.errors import Refused
from responder.people import sessions
from responder.store import Store
from responder.store.sessions import passwords

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SHORTEST: Final = 12  # characters
LONGEST: Final = 1024
_DIFFERENT = (
    5  # characters that differ, at least: no policy of kinds, NIST SP 800-63B section 5.1.1.2
)


async def set_password(store: Store, principal: str, password: str, *, by: str) -> int:
    """
    Give *principal* that password and end their sessions; returns how many ended. Audited.

    Raises `Refused` for one that is too short, too long or too simple; then nothing changed.
    """
    plain = _normal(password)
    if said := _objection(plain, principal):
        raise Refused(f"{principal}: {said}; the password was not changed")
    hashed = await in_turn(_hasher().hash, plain)
    now = store.now()
    async with store.transaction() as tx:
        await tx.execute(delete(passwords).where(passwords.c.principal == principal))
        await tx.execute(insert(passwords).values(principal=principal, hash=hashed, changed=now))
        await append(tx, now, Entry(kind="password", actor=by, subject=principal))
    return await sessions.end_all(store, principal)


async def remove(store: Store, principal: str, *, by: str) -> bool:
    """Take the password away; False if there was none. Audited."""
    now = store.now()
    async with store.transaction() as tx:
        this = delete(passwords).where(passwords.c.principal == principal)
        if not (await tx.execute(this)).rowcount:
            return False
        await append(tx, now, Entry(kind="password-removed", actor=by, subject=principal))
    return True


async def holds(store: Store, principal: str, password: str) -> bool:
    """
    Whether that is *principal*'s password.

    For somebody who has none, or does not exist, a hash is checked as well, so that the time says
    nothing. A hash made with older parameters is renewed.
    """
    plain = _normal(password)
    async with store.reading() as tx:
        query = select(passwords.c.hash).where(passwords.c.principal == principal)
        kept = (await tx.execute(query)).scalar_one_or_none()
    good = await in_turn(_matches, kept or _nobodys(), plain)
    if kept is None or not good:
        return False
    if _hasher().check_needs_rehash(kept):
        renewed = await in_turn(_hasher().hash, plain)
        this = update(passwords).where(passwords.c.principal == principal, passwords.c.hash == kept)
        async with store.transaction() as tx:
            await tx.execute(this.values(hash=renewed))
    return True


async def has_one(store: Store, principal: str) -> bool:
    """Whether *principal* has a password here."""
    query = select(passwords.c.principal).where(passwords.c.principal == principal)
    async with store.reading() as tx:
        return (await tx.execute(query)).first() is not None


def _objection(plain: str, principal: str) -> str | None:
    if not SHORTEST <= len(plain) <= LONGEST:
        return f"expected {SHORTEST} to {LONGEST} characters, found {len(plain)}"
    if len(set(plain)) < _DIFFERENT:
        return f"expected {_DIFFERENT} different characters at least, found {len(set(plain))}"
    if principal.lower() in plain.lower() and len(plain) - len(principal) < SHORTEST:
        return f"expected {SHORTEST} characters beside the name itself"
    return None


def _normal(password: str) -> str:
    """One spelling for what looks the same (NFKC); what is far too long is not worked on."""
    return unicodedata.normalize("NFKC", password[: LONGEST + 1])


@cache
def _hasher() -> "PasswordHasher":
    """RFC 9106 section 4, the second recommended option: 64 MiB, three passes, four lanes."""
    from argon2 import PasswordHasher, profiles  # noqa: PLC0415 - only when somebody signs in

    return PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)


@cache
def _nobodys() -> str:
    return _hasher().hash("a password that nobody has")


def _matches(kept: str, plain: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - see above

    try:
        return _hasher().verify(kept, plain)
    except (VerificationError, InvalidHashError):
        return False
