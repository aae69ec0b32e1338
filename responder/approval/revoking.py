"""Taking an approval back: as long as nothing was begun on the strength of it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import Field
from sqlalchemy import select, update

from responder.audit import Entry
from responder.errors import Missing, Refused
from responder.incident import Frozen
from responder.people.person import Permission, Person, Role
from responder.store import Store
from responder.store.database import Transaction
from responder.store.tables import asks, decisions, steps
from responder.verbs.asking import bump
from responder.verbs.telling import tell_audited


class Revocation(Frozen):
    """Why an approval is taken back, and whose; without a name it is the caller's own."""

    reason: str = Field(min_length=1, max_length=300)
    decided_by: str = Field(default="", max_length=255)


async def revoke(
    store: Store, ask_id: str, person: Person, revocation: Revocation
) -> Mapping[Any, Any]:
    """
    Take back one approval of an ask; returns the ask as it is then.

    An ask that was approved is over with it: `revoked`, and nothing is done. One that still waits
    for more people goes on waiting, and the approval no longer counts. Raises `Refused` if it is
    neither *person*'s own nor they an admin, or if there is nothing left to take back.
    """
    whose = revocation.decided_by or person.name
    may = person.may(Permission.APPROVALS_DECIDE)
    if not may or (whose != person.name and Role.ADMIN not in person.roles):
        raise Refused(
            f"{person.name} may not take back what {whose} decided; {whose} or an admin may"
        )
    now = store.now()
    async with store.transaction() as tx:
        query = select(asks).where(asks.c.id == ask_id).with_for_update()
        ask = (await tx.execute(query)).mappings().one_or_none()
        if ask is None:
            raise Missing(f"there is no ask {ask_id}")
        await _must_not_have_begun(tx, ask)
        await _take_back(tx, ask, whose, now)
        state = ask["state"]
        if state == "approved":  # never with more people than it needs, so now with too few
            state = "revoked"
            this = update(asks).where(asks.c.id == ask_id)
            await tx.execute(this.values(state=state, decided=now))
        entry = Entry(
            kind="revoked",
            actor=person.name,
            subject=f"ask {ask_id}",
            incident=ask["incident"],
            data={"decided_by": whose, "reason": revocation.reason, "ask_is": state},
        )
        await tell_audited(
            tx,
            now,
            entry,
            key=f"revoked/{ask_id}/{whose}",
            audience="security",
            loud=True,
            subject=f"{ask['incident']}: {person.name} took back {_of(whose, person)} approval of ask {ask_id}",
            body=f"Why: {revocation.reason}\n"
            + (
                "Nothing of it had begun, and nothing will be done."
                if state == "revoked"
                else "The ask still waits; that approval no longer counts."
            ),
        )
        await bump(tx, ask["incident"])
        return (await tx.execute(select(asks).where(asks.c.id == ask_id))).mappings().one()


async def _must_not_have_begun(tx: Transaction, ask: Mapping[Any, Any]) -> None:
    if ask["state"] not in ("open", "approved"):
        raise Refused(
            f"ask {ask['id']} is {ask['state']} since {ask['decided']:%H:%M:%S} UTC: there is no "
            "approval to take back"
        )
    query = select(steps.c.begun).where(steps.c.key == ask["step"])
    begun = ask["applied"] or (await tx.execute(query)).scalar_one_or_none()
    if begun is not None:
        raise Refused(
            f"ask {ask['id']}: what was approved began at {begun:%H:%M:%S} UTC, and taking the approval "
            "back would undo nothing\n\nhint: responder leases undo RESOURCE"
        )


async def _take_back(tx: Transaction, ask: Mapping[Any, Any], whose: str, now: datetime) -> None:
    of = (decisions.c.ask == ask["id"], decisions.c.approve, decisions.c.revoked.is_(None))
    taken = await tx.execute(
        update(decisions).where(*of, decisions.c.principal == whose).values(revoked=now)
    )
    if taken.rowcount != 1:
        query = select(decisions.c.principal).where(*of).order_by(decisions.c.id)
        given = ", ".join((await tx.execute(query)).scalars()) or "nobody"
        raise Refused(
            f"ask {ask['id']}: there is no approval of {whose} to take back; approved by {given}"
        )


def _of(whose: str, person: Person) -> str:
    return "their" if whose == person.name else f"{whose}'s"
