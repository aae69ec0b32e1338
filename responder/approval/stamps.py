"""
Rubber stamps: how long an ask had been before somebody when they decided it.

A decision sooner than a person can read is counted, not forbidden: people see who is worn down, or
who does not look, before it matters.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select, update

from responder.approval.settings import ApprovalSettings
from responder.people.person import Permission, Person
from responder.store import Store
from responder.store.database import Transaction
from responder.store.noticing import askings
from responder.store.rows import insert_new
from responder.store.tables import decisions, messages

WEEK = timedelta(days=7)


async def opened(tx: Transaction, ask: str, person: str, now: datetime) -> None:
    """Note that *person* looked at *ask*, the first time."""
    first = {"ask": ask, "person": person, "opened": now}
    if not await insert_new(tx, askings, first):
        this = (askings.c.ask == ask, askings.c.person == person, askings.c.opened.is_(None))
        await tx.execute(update(askings).where(*this).values(opened=now))


async def was_opened(tx: Transaction, ask: str, person: str) -> bool:
    """Whether *person* has looked at *ask* before."""
    query = select(askings.c.opened).where(askings.c.ask == ask, askings.c.person == person)
    return (await tx.execute(query)).scalar_one_or_none() is not None


async def look(store: Store, ask: str, person: Person) -> None:
    """Note that *person*, who may decide, has *ask* before them; only the first time is written down."""
    if not person.may(Permission.APPROVALS_DECIDE):
        return
    async with store.reading() as tx:
        if await was_opened(tx, ask, person.name):
            return
    async with store.transaction() as tx:
        await opened(tx, ask, person.name, store.now())


async def told(tx: Transaction, ask: str) -> list[dict[str, Any]]:
    """Who was told of *ask*, when that was delivered, and when each of them first opened it."""
    query = (
        select(
            askings.c.person, askings.c.told, messages.c.sent.label("delivered"), askings.c.opened
        )
        .outerjoin(messages, messages.c.key == askings.c.message)
        .where(askings.c.ask == ask)
        .order_by(askings.c.person)
    )
    return [dict(row) for row in (await tx.execute(query)).mappings()]


async def seconds_seen(
    tx: Transaction, ask: Mapping[Any, Any], person: str, now: datetime
) -> float:
    """
    How long *ask* had been before *person* when they decide, in seconds.

    From the first of: its message was delivered, they opened it. Who had neither, as in a list that
    shows everything, had it before them since it was opened.
    """
    query = (
        select(askings.c.opened, messages.c.sent)
        .outerjoin(messages, messages.c.key == askings.c.message)
        .where(askings.c.ask == ask["id"], askings.c.person == person)
    )
    row = (await tx.execute(query)).one_or_none()
    times = [at for at in (row.opened, row.sent) if at is not None] if row is not None else []
    since: datetime = min(times, default=ask["opened"])
    return max(0.0, (now - since).total_seconds())


async def stamps(tx: Transaction, rules: ApprovalSettings, now: datetime) -> list[dict[str, Any]]:
    """The decisions of the last week by person: how many, how many unread, the fastest in seconds."""
    unread = decisions.c.after < rules.rubber_stamp.total_seconds()
    query = (
        select(
            decisions.c.principal.label("person"),
            func.count().label("decided"),
            func.sum(case((unread, 1), else_=0)).label("stamps"),
            func.min(decisions.c.after).label("fastest"),
        )
        .where(decisions.c.at > now - WEEK)
        .group_by(decisions.c.principal)
        .order_by(decisions.c.principal)
    )
    return [dict(row) for row in (await tx.execute(query)).mappings()]
