"""Reviews of a broken glass: somebody else looks, within a day, and says whether it was justified."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field
from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.errors import Missing, Refused
from responder.incident import Frozen
from responder.people.person import Permission, Person, Role
from responder.store import Store, Transaction
from responder.store.noticing import reviews
from responder.store.rows import Row
from responder.verbs.telling import tell, tell_audited


class Finding(StrEnum):
    """What a review may find."""

    JUSTIFIED = "justified"
    MISUSED = "misused"


class Review(Frozen):
    """What somebody found, and why."""

    verdict: Finding = Field(description="Whether it was right to break the glass.")
    reason: str = Field(min_length=1, max_length=1000, description="Why.")


async def listed(store: Store, *, everything: bool) -> list[Row]:
    """The reviews that are due, the most urgent first; or all."""
    query = select(reviews).order_by(reviews.c.due)
    if not everything:
        query = query.where(reviews.c.done.is_(None))
    async with store.reading() as tx:
        return list((await tx.execute(query)).mappings())


async def review(
    store: Store, review_id: str, person: Person, found: Review, *, team: str
) -> dict[str, Any]:
    """
    Record what *person* found; returns the review as it is then.

    Raises `Refused` if it is their own glass, if they are neither of *team* (whose page it was) nor
    an admin, or if it was reviewed before. Misuse is told to security aloud.
    """
    now = store.now()
    async with store.transaction() as tx:
        query = select(reviews).where(reviews.c.id == review_id).with_for_update()
        row = (await tx.execute(query)).mappings().one_or_none()
        if row is None:
            raise Missing(f"{review_id}: there is no such review")
        if row["person"] == person.name:
            raise Refused(f"{review_id}: {person.name} broke that glass; somebody else reviews it")
        of_team = team.casefold() in (name.casefold() for name in person.teams)
        admin = Role.ADMIN in person.roles and person.may(Permission.APPROVALS_DECIDE)
        if not (person.active and (of_team or admin)):
            raise Refused(
                f"{review_id} is reviewed by {team} or an admin; {person.name} is neither"
            )
        if row["done"] is not None:
            raise Refused(f"{review_id} was reviewed by {row['reviewer']}: {row['verdict']}")
        values = {
            "done": now,
            "reviewer": person.name,
            "verdict": found.verdict,
            "said": found.reason,
        }
        await tx.execute(update(reviews).where(reviews.c.id == review_id).values(values))
        entry = Entry(
            kind="glass reviewed",
            actor=person.name,
            subject=f"ask {row['ask']}",
            incident=row["incident"],
            data={"review": review_id, "verdict": found.verdict, "reason": found.reason},
        )
        await append(tx, now, entry)
        if found.verdict is Finding.MISUSED:
            await tell(
                tx,
                now,
                key=f"misused/{review_id}",
                audience="security",
                incident=row["incident"],
                loud=True,
                subject=f"{row['incident']}: {person.name} found that {row['person']} broke the glass "
                "without need",
                body=f"They had said: {row['reason']}\nFound: {found.reason}\n\n"
                f"    responder approvals show {row['ask']}",
            )
    return {**row, **values}


async def remind(tx: Transaction, now: datetime, *, team: str) -> int:
    """Tell people aloud, once each, of the reviews that are overdue; returns of how many."""
    query = select(reviews).where(
        reviews.c.done.is_(None), reviews.c.overdue.is_(None), reviews.c.due <= now
    )
    late = (await tx.execute(query)).mappings().all()
    for row in late:
        await tx.execute(update(reviews).where(reviews.c.id == row["id"]).values(overdue=now))
        entry = Entry(
            kind="review overdue",
            actor="clock",
            subject=f"ask {row['ask']}",
            incident=row["incident"],
            data={"review": row["id"], "due": row["due"].isoformat()},
        )
        words: dict[str, Any] = {
            "loud": True,
            "subject": f"{row['incident']}: nobody has reviewed that {row['person']} broke the glass",
            "body": f"It was due by {row['due']:%Y-%m-%d %H:%M} UTC. They said: {row['reason']}\n\n"
            f"    responder approvals review {row['id']} --verdict justified --reason …",
        }
        key = f"review/{row['id']}"
        await tell_audited(tx, now, entry, key=key, audience="escalation", **words)
        await tell(tx, now, key=f"{key}/{team}", audience=team, incident=row["incident"], **words)
    return len(late)
