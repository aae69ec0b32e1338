"""Standing in for somebody on call: kept in the store, audited, and withdrawn rather than changed."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from pydantic import AwareDatetime, Field, JsonValue
from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.errors import Missing, Refused
from responder.incident import Frozen, Name
from responder.people.oncall import OnCall, Override
from responder.people.person import Directory, Person
from responder.store import Store
from responder.store.database import Transaction
from responder.store.oncall import overrides


class StandingIn(Frozen):
    """Who stands in on which roster, and when."""

    roster: Name
    person: Name
    start: AwareDatetime
    end: AwareDatetime
    reason: str = Field(default="", max_length=300)


async def in_force(tx: Transaction, now: datetime) -> list[Override]:
    """The overrides that have not ended, oldest first: the newest counts."""
    query = (
        select(overrides)
        .where(overrides.c.withdrawn.is_(None), overrides.c.end > now)
        .order_by(overrides.c.made, overrides.c.id)
    )
    fields = Override.model_fields
    return [
        Override(**{name: row[name] for name in fields})
        for row in (await tx.execute(query)).mappings()
    ]


async def stand_in(
    store: Store, oncall: OnCall, people: Directory, person: Person, wanted: StandingIn
) -> Override:
    """
    Let somebody stand in, from now or a later moment on.

    Raises `Refused` if there is no such roster or active person, or if the time is over.
    """
    now = store.now()
    if oncall.roster(wanted.roster) is None:
        raise Missing(f"there is no roster {wanted.roster}; {_known(oncall)}")
    somebody = people.find(wanted.person)
    if somebody is None or not somebody.active:
        raise Refused(f"{wanted.person} is no active person of the settings")
    if wanted.end <= max(wanted.start, now):
        raise Refused(
            f"{wanted.roster}: expected an end after {max(wanted.start, now):%Y-%m-%d %H:%M} UTC, "
            f"found {wanted.end:%Y-%m-%d %H:%M}; nothing was changed"
        )
    made = Override(id=secrets.token_hex(4), **wanted.model_dump())
    async with store.transaction() as tx:
        row = made.model_dump() | {"made": now, "made_by": person.name}
        await tx.execute(overrides.insert().values(row))
        await append(
            tx, now, _entry("stands in", person, made.roster, made.model_dump(mode="json"))
        )
    return made


async def withdraw(store: Store, person: Person, override: str) -> None:
    """End an override now. Raises `Refused` if it is over, or there is none."""
    now = store.now()
    async with store.transaction() as tx:
        this = update(overrides).where(
            overrides.c.id == override, overrides.c.withdrawn.is_(None), overrides.c.end > now
        )
        if (await tx.execute(this.values(withdrawn=now))).rowcount != 1:
            raise Missing(f"nobody stands in by {override}; it is over, or was never made")
        await append(tx, now, _entry("stands in no more", person, override, {}))


def _entry(kind: str, person: Person, subject: str, data: dict[str, JsonValue]) -> Entry:
    return Entry(kind=kind, actor=person.name, subject=subject, data=data)


def _known(oncall: OnCall) -> str:
    names: Sequence[str] = [roster.name for roster in oncall.rosters]
    return f"known: {', '.join(names)}" if names else "the settings name none"
