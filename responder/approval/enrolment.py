"""
Who may change somebody's second factors, and what they must prove for it.

Whoever has a second factor proves it for every change. Who has none needs an admin's ticket for the
first. The one change that takes neither is the very first set-up: an admin's own, while nobody at all has
a second factor. Otherwise one stolen token of an admin would become everybody's.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field, JsonValue
from sqlalchemy import select

from responder.approval import backup_codes, passkeys, tickets, totp
from responder.approval.step_up import step_up
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.incident import Frozen
from responder.people.person import Permission, Person
from responder.store import Store, Transaction
from responder.store.factors import backup_codes as backup_code_rows
from responder.store.factors import factors as factor_rows
from responder.store.factors import passkeys as passkey_rows

TICKET = "ticket"
FIRST = "the very first"


class Purpose(StrEnum):
    """What a second factor is proved for, beside approving: a passkey's answer is good for one of them."""

    FACTORS = "factors"
    TOKEN = "token"  # noqa: S105 - what it is for
    TOKEN_KEYS = "token-keys"  # noqa: S105 - the same
    RESUME = "resume"
    CLOSE = "close"


class Factor(Frozen):
    """A second factor that somebody has, as they prove it."""

    code: str = Field(
        default="", max_length=64, description="Of an authenticator app, or a backup code."
    )
    passkey: dict[str, JsonValue] | None = Field(
        default=None, description="The browser's answer to a challenge for exactly this."
    )


class Proof(Factor):
    """What somebody proves themselves with: a second factor that they have, or an admin's ticket."""

    ticket: str = Field(default="", max_length=100, description="An admin's enrolment ticket.")


def bound_to(about: str, purpose: Purpose = Purpose.FACTORS) -> str:
    """What a passkey's challenge is bound to: *purpose*, and whom or what it is about."""
    return f"{purpose}/{about}"


async def prove(
    store: Store,
    ring: KeyRing,
    origin: str,
    actor: Person,
    proof: Factor,
    bound: str,
    now: datetime,
) -> str:
    """
    The kind of the second factor that *actor* has just proved for *bound*; it is used up by that.

    No ticket takes its place, nor that nobody has one yet. Raises `Refused` if it does not hold.
    """
    async with store.reading() as tx:
        has = await any_of(tx, actor.name)
    if not has:
        raise Refused(
            f"{actor.name} has no second factor, and this needs one; nothing was changed\n\n"
            f"hint: another admin runs `responder people ticket {actor.name}`, or who may read the state "
            f"folder `responder people enrol {actor.name} --local`"
        )
    return await step_up(
        store,
        ring,
        origin,
        actor.name,
        code=proof.code,
        passkey=proof.passkey,
        bound_to=bound,
        now=now,
    )


async def permit(
    store: Store,
    ring: KeyRing,
    origin: str,
    actor: Person,
    about: str,
    proof: Proof,
    now: datetime,
    *,
    keep_ticket: bool = False,
) -> str:
    """
    What allows *actor* to change *about*'s second factors: the kind proved, `TICKET` or `FIRST`.

    It is used up; a ticket is not with *keep_ticket*, for who redeems it when the change is made.
    Another's are changed with a second factor of one's own only. Raises `Refused` if nothing allows it.
    """
    own = actor.name == about
    if not own and not actor.may(Permission.PEOPLE_WRITE):
        raise Refused(
            f"{actor.name} may not change {about}'s second factors; {about} or an admin may"
        )
    if own and proof.ticket:
        kept = tickets.digest(proof.ticket)
        async with store.transaction() as tx:
            await (tickets.must_be_good if keep_ticket else tickets.redeem)(tx, about, kept, now)
        return TICKET
    async with store.reading() as tx:
        has, begun = await any_of(tx, actor.name), await anybody_has_any(tx)
    if has or not own:
        return await prove(store, ring, origin, actor, proof, bound_to(about), now)
    if actor.may(Permission.PEOPLE_WRITE) and not begun:
        return FIRST
    raise Refused(
        f"{about} has no second factor yet: the first one needs an admin's ticket\n\n"
        f"hint: another admin runs `responder people ticket {about}`, or who may read the state folder "
        f"`responder people enrol {about} --local`"
    )


async def any_of(tx: Transaction, principal: str) -> bool:
    """Whether *principal* has any second factor, also one that was stopped or used up."""
    codes = select(backup_code_rows.c.slot).where(backup_code_rows.c.principal == principal)
    return (
        await totp.enrolled(tx, principal)
        or bool(await passkeys.of(tx, principal))
        or (await tx.execute(codes.limit(1))).first() is not None
    )


async def anybody_has_any(tx: Transaction) -> bool:
    """Whether anybody at all has a second factor: then the very first set-up is over for good."""
    for table in (factor_rows, passkey_rows, backup_code_rows):
        if (await tx.execute(select(table.c.principal).limit(1))).first() is not None:
            return True
    return False


async def summary(tx: Transaction, principal: str) -> dict[str, Any]:
    """Which second factors *principal* has, as plain data; no secret is in it."""
    return {
        "person": principal,
        "totp": await totp.enrolled(tx, principal),
        "backup_codes_left": await backup_codes.left(tx, principal),
        "passkeys": [
            {
                "name": one.name,
                "made": one.made.isoformat(),
                "used": one.used.isoformat() if one.used else None,
                "stopped": one.stopped.isoformat() if one.stopped else None,
            }
            for one in await passkeys.of(tx, principal)
        ],
    }
