"""What people do about pages: see who is wanted, and say that they come."""

from typing import Any

from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.errors import Missing, Refused
from responder.people.person import Person, Role
from responder.store import Store
from responder.store.paging import pages
from responder.store.rows import Row
from responder.verbs.asking import bump


async def listed(store: Store, *, everything: bool) -> list[Row]:
    """The pages that nobody has taken, oldest first; or all."""
    query = select(pages).order_by(pages.c.opened)
    if not everything:
        query = query.where(pages.c.acknowledged.is_(None), pages.c.unanswered.is_(None))
    async with store.reading() as tx:
        return list((await tx.execute(query)).mappings().all())


async def acknowledge(store: Store, page: str, person: Person) -> dict[str, Any]:
    """
    Take a page, as one of the role that is wanted.

    Raises `Refused` if it is somebody else's to take, or taken; an admin may take any. One that
    was unanswered can still be taken: late is better than never, and it is audited as such.
    """
    now = store.now()
    async with store.transaction() as tx:
        query = select(pages).where(pages.c.id == page).with_for_update()
        row = (await tx.execute(query)).mappings().one_or_none()
        if row is None:
            raise Missing(f"{page}: there is no such page")
        if row["role"] not in person.teams and Role.ADMIN not in person.roles:
            raise Refused(f"{page} wants {row['role']}; {person.name} is not of it")
        if row["acknowledged"] is not None:
            raise Refused(f"{page} was taken by {row['acknowledged_by']} already")
        values = {"acknowledged": now, "acknowledged_by": person.name}
        await tx.execute(update(pages).where(pages.c.id == page).values(values))
        entry = Entry(
            kind="page acknowledged",
            actor=person.name,
            subject=f"page {page}",
            incident=row["incident"],
            data={"role": row["role"], "late": row["unanswered"] is not None},
        )
        await append(tx, now, entry)
        await bump(tx, row["incident"])
    return {"page": page, "incident": row["incident"], "by": person.name}
