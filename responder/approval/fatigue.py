"""
Whom an ask reaches: nobody more often than they can read, and nobody silently not at all.

Push bombing wears an approver down until they say yes. So at most `most_asks` reach one person
within `most_asks_within`; what is more goes to the next who may decide, and when too few are left
it is escalated, once for many. The ask itself stays open and is shown everywhere, whoever was told.
"""

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import distinct, func, insert, or_, select, update

from responder.approval.requesting import never_alone
from responder.approval.settings import ApprovalSettings
from responder.audit import Entry, append
from responder.incident import Frozen
from responder.people.approver_rights import About
from responder.people.person import Directory, Permission, Person
from responder.people.standing_in import in_force
from responder.store.database import Transaction
from responder.store.noticing import askings, mutes, unsaid
from responder.store.rows import insert_new
from responder.store.tables import asks, incidents, messages
from responder.verbs.telling import tell

_LIMIT, _MUTED = "limit", "muted"
_LISTED = 20  # asks that one message names


class Asked(Frozen):
    """An ask that people are to be told of, and the words for it."""

    id: str
    incident: str
    priority: str
    requester: str
    people: int  # how many must approve
    tier: str = ""
    category: str = ""
    subject: str
    body: str
    key: str = ""  # of the message; by default the ask's own
    barred: tuple[str, ...] = ()  # who has asked for it, or decided it, and is not asked therefore


def approvers(people: Directory, ask: Asked) -> list[Person]:
    """Who is told of *ask* first: whoever may decide it, but not who requested it."""
    return [
        one
        for one in people
        if one.may(Permission.APPROVALS_DECIDE) and one.name not in {ask.requester, *ask.barred}
    ]


async def tell_approvers(
    tx: Transaction, people: Directory, rules: ApprovalSettings, ask: Asked, now: datetime
) -> tuple[str, ...]:
    """
    Tell people of a new *ask*, in the transaction that opens it; returns who is told.

    What the limit or a report keeps from them is escalated in their stead.
    """
    if await _muted(tx, ask.incident, ask.requester):
        await _escalate(tx, rules, ask, _MUTED, now)
        return ()
    may = [one.name for one in approvers(people, ask)]
    free = await _called(tx, people, ask, await _free(tx, rules, may, now), now)
    if free:
        key = ask.key or f"ask/{ask.id}"
        await tell(
            tx,
            now,
            key=key,
            audience="approvers",
            incident=ask.incident,
            loud=True,
            subject=ask.subject,
            body=ask.body,
        )
        await _note_told(tx, ask.id, free, key, now)
    if len(free) < ask.people:
        await _escalate(tx, rules, ask, _LIMIT, now)
    return tuple(free)


async def catch_up(
    tx: Transaction, people: Directory, rules: ApprovalSettings, now: datetime
) -> int:
    """Tell whoever has room again of all that waits untold, in one message; returns of how many."""
    query = (
        select(asks, incidents.c.category, incidents.c.priority)
        .join(unsaid, unsaid.c.ask == asks.c.id)
        .join(incidents, incidents.c.id == asks.c.incident)
        .where(
            unsaid.c.said.is_(None),
            unsaid.c.why == _LIMIT,
            asks.c.state == "open",
            asks.c.expires > now,
        )
        .order_by(asks.c.expires)
    )
    waiting = (await tx.execute(query)).mappings().all()
    if not waiting:
        return 0
    names = [one.name for one in people if one.may(Permission.APPROVALS_DECIDE)]
    free = await _free(tx, rules, names, now)
    query = select(askings.c.ask, askings.c.person).where(
        askings.c.ask.in_([row["id"] for row in waiting]), askings.c.message.is_not(None)
    )
    before = {(row.ask, row.person) for row in await tx.execute(query)}
    to_tell = {
        row["id"]: [
            one.name
            for one in people
            if one.name in free
            and one.name not in never_alone(row)
            and (row["id"], one.name) not in before
            and _may(one, About.of(row))
        ]
        for row in waiting
    }
    waiting = [row for row in waiting if to_tell[row["id"]]]
    if not waiting:
        return 0
    key = f"asks/{now.isoformat()}"
    lines = [
        f"{row['tier']} {row['incident']} by {row['expires']:%H:%M:%S} UTC: "
        f"responder approvals show {row['id']}"
        for row in waiting[:_LISTED]
    ]
    more = len(waiting) - len(lines)
    await tell(
        tx,
        now,
        key=key,
        audience="approvers",
        loud=True,
        subject=f"{len(waiting)} asks wait that you were not told of: they came too fast",
        body="\n".join([*lines, *([f"and {more} more: responder approvals list"] if more else [])]),
    )
    for row in waiting:
        await _note_told(tx, row["id"], to_tell[row["id"]], key, now)
        await tx.execute(update(unsaid).where(unsaid.c.ask == row["id"]).values(said=now))
    return len(waiting)


async def _called(
    tx: Transaction, people: Directory, ask: Asked, free: Sequence[str], now: datetime
) -> list[str]:
    """Of *free*, those on call, and only as many of the others as are needed beside them."""
    if not people.oncall.rosters:
        return list(free)
    on_call = people.oncall.anybody(now, await in_force(tx, now))
    called = [name for name in free if name in on_call]
    others = [name for name in free if name not in on_call]
    return called + others[: max(ask.people - len(called), 0)]


def _may(person: Person, about: About) -> bool:
    return person.may(Permission.APPROVALS_DECIDE) and person.may_not_approve(about) is None


async def _free(
    tx: Transaction, rules: ApprovalSettings, names: Collection[str], now: datetime
) -> list[str]:
    """
    Those of *names* whom one more ask may reach.

    What is not delivered yet counts as well: else a mail server that comes back would deliver
    at once what was spread over an hour.
    """
    query = (
        select(askings.c.person, func.count(distinct(askings.c.message)))
        .join(messages, messages.c.key == askings.c.message)
        .where(
            askings.c.person.in_(names),
            or_(messages.c.sent.is_(None), messages.c.sent > now - rules.most_asks_within),
        )
        .group_by(askings.c.person)
    )
    reached: dict[str, int] = dict((await tx.execute(query)).all())
    return [name for name in names if reached.get(name, 0) < rules.most_asks]


async def _note_told(
    tx: Transaction, ask: str, names: Sequence[str], key: str, now: datetime
) -> None:
    # Whom the limit spares does not get it, whatever team they are of.
    this = select(messages.c.addressees).where(messages.c.key == key)
    known = (await tx.execute(this)).scalar_one() or []
    everybody = sorted({*known, *names})
    await tx.execute(update(messages).where(messages.c.key == key).values(addressees=everybody))
    for name in names:
        row = {"ask": ask, "person": name, "message": key, "told": now}
        if not await insert_new(tx, askings, row):
            mine = (askings.c.ask == ask, askings.c.person == name, askings.c.message.is_(None))
            await tx.execute(update(askings).where(*mine).values(message=key, told=now))


async def _muted(tx: Transaction, incident: str, requester: str) -> bool:
    query = select(mutes.c.id).where(
        mutes.c.incident == incident, mutes.c.requester == requester, mutes.c.lifted.is_(None)
    )
    return (await tx.execute(query)).first() is not None


async def _escalate(
    tx: Transaction, rules: ApprovalSettings, ask: Asked, why: str, now: datetime
) -> None:
    """Say that *ask* reaches too few people: aloud the first time, and once for all that follow."""
    of = unsaid.c.priority == ask.priority
    if why == _MUTED:
        of = asks.c.incident == ask.incident
    query = (
        select(unsaid.c.message)
        .join(asks, asks.c.id == unsaid.c.ask)
        .where(of, unsaid.c.why == why, unsaid.c.at > now - rules.most_asks_within)
        .order_by(unsaid.c.at)
        .limit(1)
    )
    before = (await tx.execute(query)).scalar_one_or_none()
    key = before or f"unsaid/{ask.id}"
    row = {"ask": ask.id, "priority": ask.priority, "why": why, "message": key, "at": now}
    await tx.execute(insert(unsaid).values(row))
    entry = Entry(
        kind="not delivered",
        actor="approvals",
        subject=f"ask {ask.id}",
        incident=ask.incident,
        data={"why": why, "escalated": key},
    )
    await append(tx, now, entry)
    if before is not None:
        return
    subject, said = (_too_often if why == _LIMIT else _reported)(rules, ask)
    await tell(
        tx,
        now,
        key=key,
        audience="escalation",
        incident=ask.incident,
        loud=True,
        subject=subject,
        body=f"{said}\n\nNow: {ask.subject}\n{ask.body}\n\nAll of them: responder approvals list",
    )


def _too_often(rules: ApprovalSettings, ask: Asked) -> tuple[str, str]:
    minutes = f"{rules.most_asks_within.total_seconds() / 60:g} minutes"
    said = (
        f"Approvers are asked {rules.most_asks} times in {minutes} at most, so that nobody is worn "
        "down until they say yes. This ask is open, and too few were told of it. More of "
        f"{ask.priority} that come within {minutes} are not told one by one."
    )
    return f"{ask.priority} {ask.incident}: too few people may still be asked", said


def _reported(_: ApprovalSettings, ask: Asked) -> tuple[str, str]:
    said = (
        f"An ask of {ask.requester} in this incident was reported as misuse. Its asks stay open and "
        "reach nobody until an admin says that they may again:\n\n"
        f"    responder approvals unmute {ask.incident}"
    )
    about = f"{ask.priority} {ask.incident}"
    return f"{about}: asks that nobody is told of, because one was reported", said
