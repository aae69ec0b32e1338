"""
Who may change somebody's second factors, and what they must prove for it.

Whoever has a second factor proves it for every change, their own or, as an admin, another's. Who has
none needs an admin's ticket for the first; an admin who has none may begin without.
"""

from datetime import datetime
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

TICKET = "ticket"
FIRST = "an admin's first"


class Proof(Frozen):
    """What somebody proves themselves with: a second factor that they have, or an admin's ticket."""

    code: str = Field(default="", description="Of an authenticator app, or a backup code.")
    passkey: dict[str, JsonValue] | None = Field(
        default=None, description="The browser's answer to a challenge for this change."
    )
    ticket: str = Field(default="", max_length=100, description="An admin's enrolment ticket.")


def bound_to(about: str) -> str:
    """What a passkey's challenge is bound to when *about*'s second factors are changed."""
    return f"factors/{about}"


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
    Raises `Refused` if nothing allows it.
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
        has = await any_of(tx, actor.name)
    if has:
        return await step_up(
            store,
            ring,
            origin,
            actor.name,
            code=proof.code,
            passkey=proof.passkey,
            bound_to=bound_to(about),
            now=now,
        )
    if actor.may(Permission.PEOPLE_WRITE):
        return FIRST
    raise Refused(
        f"{about} has no second factor yet: the first one needs an admin's ticket\n\n"
        f"hint: an admin runs `responder people ticket {about}`"
    )


async def any_of(tx: Transaction, principal: str) -> bool:
    """Whether *principal* has any second factor, also one that was stopped or used up."""
    codes = select(backup_code_rows.c.slot).where(backup_code_rows.c.principal == principal)
    return (
        await totp.enrolled(tx, principal)
        or bool(await passkeys.of(tx, principal))
        or (await tx.execute(codes.limit(1))).first() is not None
    )


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
