"""
Ten codes on paper for the day the telephone is gone: each good once, kept as sealed Argon2id hashes.

A code begins with its slot's digit, so that checking one costs one hash and not ten.
"""

import secrets
from base64 import b64decode, b64encode
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, insert, select, update

from responder.approval import tries
from responder.approval.announcing import announce
from responder.audit import Entry
from responder.crypto.hard_work import in_turn
from responder.crypto.keyring import KeyRing, key_of
from responder.errors import Refused, StateError
from responder.store import Store, Transaction
from responder.store.factors import backup_codes

if TYPE_CHECKING:
    from argon2 import PasswordHasher

KIND = "backup code"
CODES = 10
_LETTERS = (
    "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: nothing that looks like another
)
_LENGTH = 10  # of them, 50 bits: out of reach of five tries at a time, and of its hash's thief
_ALIKE = str.maketrans({"o": "0", "i": "1", "l": "1", "-": "", " ": ""})


async def renew(store: Store, ring: KeyRing, principal: str, by: str, now: datetime) -> list[str]:
    """Make ten new codes for *principal*, shown once; the ones before end. Audited, and told."""
    codes = [f"{slot}{_random()}" for slot in range(CODES)]
    hashes = [await in_turn(_hasher().hash, code) for code in codes]
    rows = [
        {
            "principal": principal,
            "slot": slot,
            "hash": sealed(ring, principal, slot, made),
            "made": now,
            "used": None,
        }
        for slot, made in enumerate(hashes)
    ]
    async with store.transaction() as tx:
        await tx.execute(delete(backup_codes).where(backup_codes.c.principal == principal))
        await tx.execute(insert(backup_codes), rows)
        await announce(
            tx,
            now,
            Entry(kind="backup codes made", actor=by, subject=principal),
            to=principal,
            key=f"backup codes/{principal}/{now.isoformat()}",
            subject=f"{principal}: {by} made {CODES} new backup codes; the ones before no longer work",
            body="If that was not you, tell an admin now: they can replace your second factors.",
        )
    return [f"{code[0]}-{code[1:6]}-{code[6:]}" for code in codes]


async def left(tx: Transaction, principal: str) -> int | None:
    """How many codes *principal* has that were not used; None if none were ever made."""
    query = select(func.count(), func.count(backup_codes.c.used)).where(
        backup_codes.c.principal == principal
    )
    made, used = (await tx.execute(query)).one()
    return made - used if made else None


async def check(store: Store, ring: KeyRing, principal: str, code: str, now: datetime) -> None:
    """
    Accept *code* once, or raise `Refused`; its use is audited and told with how many are left.

    The tries are those of the authenticator app's codes as well.
    """
    async with store.reading() as tx:
        if await left(tx, principal) is None:
            raise Refused(
                f"{principal} has no backup codes\n\nhint: responder people backup-codes {principal}"
            )
    await tries.count(store, principal, now)
    plain = _normal(code)
    this = (backup_codes.c.principal == principal, backup_codes.c.used.is_(None))
    row = None
    if plain is not None:
        async with store.reading() as tx:
            query = select(backup_codes).where(*this, backup_codes.c.slot == int(plain[0]))
            row = (await tx.execute(query)).one_or_none()
    kept = opened(ring, principal, row.slot, row.hash) if row is not None else None
    if plain is None or row is None or kept is None or not await in_turn(_holds, kept, plain):
        await tries.wrong(store, principal, KIND, now)
        raise Refused(f"{principal}: that backup code does not match, or was used before")
    async with store.transaction() as tx:
        swapped = await tx.execute(
            update(backup_codes)
            .where(*this, backup_codes.c.slot == row.slot, backup_codes.c.hash == row.hash)
            .values(used=now)
        )
        if swapped.rowcount != 1:
            raise Refused(f"{principal}: that backup code does not match, or was used before")
        await tries.forget(tx, principal)
        remaining = await left(tx, principal)
        await announce(
            tx,
            now,
            Entry(
                kind="backup code used",
                actor=principal,
                subject=principal,
                data={"left": remaining},
            ),
            to=principal,
            key=f"backup code/{principal}/{row.made.isoformat()}/{row.slot}",
            subject=f"{principal} used a backup code; {remaining} of {CODES} are left",
            body="If that was not you, tell an admin now: somebody has your codes.\n\n"
            f"New ones: responder people backup-codes {principal}",
        )


def sealed(ring: KeyRing, principal: str, slot: int, made: str) -> str:
    """The hash *made* as it is kept: whoever writes a row can give nobody a code of their own."""
    return b64encode(ring.seal_whole(made.encode(), purpose=_purpose(principal, slot))).decode()


def opened(ring: KeyRing, principal: str, slot: int, kept: str) -> str | None:
    """The hash that `sealed` sealed; None for anything else, such as one of before they were sealed."""
    try:
        return ring.open_whole(b64decode(kept), purpose=_purpose(principal, slot)).decode()
    except (ValueError, StateError):
        return None


def sealed_by(kept: str) -> str:
    """The id of the key that `sealed` sealed with."""
    return key_of(b64decode(kept))


def _purpose(principal: str, slot: int) -> str:
    return f"backup code/{slot}/{principal}"


def looks_like_one(code: str) -> bool:
    """Whether *code* has a backup code's form, however it is spaced."""
    return _normal(code) is not None


def _random() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def _normal(code: str) -> str | None:
    if not code.isascii() or len(code) > 2 * _LENGTH:
        return None
    plain = code.lower().translate(_ALIKE)
    whole = len(plain) == _LENGTH + 1 and plain[0].isdigit()
    return plain if whole and all(one in _LETTERS for one in plain) else None


@cache
def _hasher() -> "PasswordHasher":
    """RFC 9106 section 4, the second recommended option: 64 MiB, three passes, four lanes."""
    from argon2 import PasswordHasher, profiles  # noqa: PLC0415 - only when a code is used

    return PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)


def _holds(kept: str, plain: str) -> bool:
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - the same

    try:
        return _hasher().verify(kept, plain)
    except (VerificationError, InvalidHashError):
        return False
