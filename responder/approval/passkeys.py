"""
Passkeys: several a person, bound to `api.public_url`, each answer good for one purpose and once.

An authenticator that counts must count up. One that does not was copied: it is stopped, and told.
"""

import secrets
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import Row, delete, select, update

from responder.approval import challenges, tickets
from responder.approval.announcing import announce
from responder.audit import Entry
from responder.crypto.keyring import KeyRing
from responder.errors import Refused, StateError
from responder.store import Store, Transaction
from responder.store.factors import passkeys
from responder.store.rows import insert_new

KIND = "passkey"
TO_ANSWER = timedelta(minutes=2)
TO_REGISTER = timedelta(minutes=5)  # some authenticators are set up first
_REGISTER = "register a passkey"
_MOST = 10  # of one person
_HANDLE = 32  # random bytes by which authenticators know the account; WebAuthn forbids a name here


async def begin_registration(
    store: Store, origin: str, principal: str, now: datetime, *, ticket: str = ""
) -> dict[str, Any]:
    """
    The options for `navigator.credentials.create()`; whether *principal* may is asked before.

    The *ticket* that allows it, by its digest, is used up when the passkey is kept: until then
    somebody whose authenticator stumbled begins again with the same one.
    """
    from responder.approval import ceremonies  # noqa: PLC0415 - slow

    must_be_usable(origin)
    async with store.reading() as tx:
        have = await of(tx, principal)
    if len(have) >= _MOST:
        raise Refused(f"{principal} has {len(have)} passkeys, the most there may be; remove one")
    handle = have[0].handle if have else secrets.token_bytes(_HANDLE)
    data = {"handle": handle.hex(), "ticket": ticket}
    challenge = await challenges.make(
        store, principal, _REGISTER, now, lasts=TO_REGISTER, data=data
    )
    ids = [one.id for one in have]
    return ceremonies.creation_options(
        origin, principal, handle, challenge, _milliseconds(TO_REGISTER), ids
    )


async def register(
    store: Store,
    ring: KeyRing,
    origin: str,
    principal: str,
    name: str,
    answer: dict[str, Any],
    now: datetime,
) -> str:
    """Keep what the browser registered, as *name*; returns its id. Audited, and told."""
    from responder.approval import ceremonies  # noqa: PLC0415 - slow

    _, challenge = ceremonies.claimed(answer)
    data = await challenges.use(store, challenge, principal, _REGISTER, now)
    made = ceremonies.registered(origin, challenge, answer)
    sealed = ring.seal_whole(made.public_key, purpose=purpose(principal, made.id))
    row = {
        "id": made.id, "principal": principal, "name": name, "made": now,
        "handle": bytes.fromhex(data["handle"]), "public_key": sealed,
        "sign_count": made.sign_count, "used": None, "stopped": None,
    }  # fmt: skip
    async with store.transaction() as tx:
        if data["ticket"]:
            await tickets.redeem(tx, principal, data["ticket"], now)
        if not await insert_new(tx, passkeys, row):
            raise Refused(
                f"{principal}: expected a new passkey under a new name; this passkey is registered "
                f"already, or another of yours is called {name!r}"
            )
        await announce(
            tx,
            now,
            Entry(kind="passkey added", actor=principal, subject=principal, data={"name": name}),
            to=principal,
            key=f"passkey/{made.id[:300]}",
            subject=f"{principal}: a passkey was added: {name}",
            body="If that was not you, tell an admin now, who ends it:\n\n"
            f'    responder people passkeys remove {principal} "{name}"',
        )
    return made.id


async def challenge_for(
    store: Store, origin: str, principal: str, bound_to: str, now: datetime
) -> dict[str, Any]:
    """
    The options for `navigator.credentials.get()`; the answer is good for *bound_to* alone.

    Raises `Refused` if *principal* has no passkey that could answer.
    """
    from responder.approval import ceremonies  # noqa: PLC0415 - slow

    must_be_usable(origin)
    async with store.reading() as tx:
        have = [one.id for one in await of(tx, principal) if one.stopped is None]
    if not have:
        raise Refused(f"{principal} has no passkey; use a code of your authenticator app instead")
    challenge = await challenges.make(store, principal, bound_to, now, lasts=TO_ANSWER)
    return ceremonies.request_options(origin, challenge, _milliseconds(TO_ANSWER), have)


async def check(
    store: Store,
    ring: KeyRing,
    origin: str,
    principal: str,
    answer: dict[str, Any],
    bound_to: str,
    now: datetime,
) -> None:
    """Accept a browser's answer once, or raise `Refused`; its challenge is used up either way."""
    from responder.approval import ceremonies  # noqa: PLC0415 - slow

    credential, challenge = ceremonies.claimed(answer)
    await challenges.use(store, challenge, principal, bound_to, now)
    this = (passkeys.c.id == credential, passkeys.c.principal == principal)
    async with store.reading() as tx:
        row = (await tx.execute(select(passkeys).where(*this))).one_or_none()
    if row is None:
        raise Refused(f"{principal}: that passkey is not registered here as yours")
    if row.stopped is not None:
        raise Refused(
            f"{principal}: passkey {row.name!r} was stopped at {row.stopped:%Y-%m-%d %H:%M:%S} UTC, "
            "because it may have been copied; remove it and register a new one"
        )
    count = ceremonies.answered(origin, challenge, _public_key(ring, row), answer)
    async with store.transaction() as tx:
        # WebAuthn level 2, section 7.2, step 21: it counts up, or neither ever counted.
        counts_up = passkeys.c.sign_count < count if count else passkeys.c.sign_count == 0
        swapped = await tx.execute(
            update(passkeys)
            .where(*this, passkeys.c.stopped.is_(None), counts_up)
            .values(sign_count=count, used=now)
        )
        good = swapped.rowcount == 1
        if not good:
            await _stop(tx, row, count, now)
    if not good:
        raise Refused(
            f"{principal}: passkey {row.name!r} counted back to {count}, as a copy would; it is stopped, "
            "and security was told"
        )


async def of(tx: Transaction, principal: str) -> list[Row[Any]]:
    """The passkeys of *principal*, in the order in which they were made."""
    query = select(passkeys).where(passkeys.c.principal == principal)
    return list((await tx.execute(query.order_by(passkeys.c.made, passkeys.c.name))).all())


async def remove(store: Store, principal: str, name: str, by: str, now: datetime) -> None:
    """Remove a passkey by its name. Audited, and told; raises `Refused` if there is none."""
    async with store.transaction() as tx:
        this = (passkeys.c.principal == principal, passkeys.c.name == name)
        row = (await tx.execute(select(passkeys).where(*this))).one_or_none()
        if row is None:
            have = ", ".join(one.name for one in await of(tx, principal)) or "none"
            raise Refused(f"{principal} has no passkey {name!r}; there is {have}")
        await tx.execute(delete(passkeys).where(*this))
        await announce(
            tx,
            now,
            Entry(kind="passkey removed", actor=by, subject=principal, data={"name": name}),
            to=principal,
            key=f"passkey removed/{row.id[:300]}/{now.isoformat()}",
            subject=f"{principal}: {by} removed the passkey {name}",
            body="If that was not wanted, tell an admin now.",
        )


def must_be_usable(origin: str) -> None:
    """Raise `Refused` where no browser does passkeys: by an address, or in the clear over a network."""
    parts = urlsplit(origin)
    host = parts.hostname or ""
    if _is_address(host) or (parts.scheme != "https" and host != "localhost"):
        raise Refused(
            f"passkeys: expected api.public_url to be https:// with a host name, found {origin}; "
            "codes still work"
        )


def purpose(principal: str, credential: str) -> str:
    """What a passkey's public key is sealed for: whoever writes a row can give nobody another."""
    return f"passkey/{principal}/{credential}"


def _public_key(ring: KeyRing, row: Row[Any]) -> bytes:
    try:
        return ring.open_whole(row.public_key, purpose=purpose(row.principal, row.id))
    except StateError as error:
        raise Refused(
            f"{row.principal}: passkey {row.name!r} is not as it was registered here; it was put into the "
            "store by somebody else, or before passkeys were sealed; remove it and register it anew"
        ) from error


async def _stop(tx: Transaction, row: Row[Any], count: int, now: datetime) -> None:
    this = update(passkeys).where(passkeys.c.id == row.id, passkeys.c.stopped.is_(None))
    await tx.execute(this.values(stopped=now))
    counts = {"name": row.name, "kept": row.sign_count, "found": count}
    await announce(
        tx,
        now,
        Entry(kind="passkey stopped", actor="runner", subject=row.principal, data=counts),
        to=row.principal,
        key=f"passkey stopped/{row.id[:300]}",
        subject=f"{row.principal}: the passkey {row.name} may have been copied; it was stopped",
        body=f"It says it was used {count} times, after it had said {row.sign_count}. Whoever used it "
        "last may not be its owner: look at what they approved.\n\n    responder audit show",
    )


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _milliseconds(lasts: timedelta) -> int:
    return int(lasts / timedelta(milliseconds=1))
