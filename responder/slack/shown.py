"""What is shown in Slack, as rows: what is due to be posted or edited, and what became of it."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select, update

from responder.incident import Frozen
from responder.store.chat import card_keeper, cards
from responder.store.database import Transaction
from responder.store.rows import Row, insert_new
from responder.store.tables import incidents

CARD, LOG, CALL, NOTE = "card", "log", "call", "note"
_MINUTE = timedelta(seconds=60)  # between edits that only move the clocks on
_RECENT = timedelta(
    days=7
)  # how long ago an incident may have closed and still be brought up to date
_BATCH = 50


class Due(Frozen):
    """One thing to be shown: the card of an incident, its log, or words that are posted once."""

    id: str
    part: str
    channel: str
    incident: str | None = None
    priority: str = ""
    ts: str | None = None
    thread: str | None = None
    digest: str = ""
    text: str = ""
    mark: str = ""
    begun: datetime | None = None
    unsure: int = 0
    attempts: int = 0
    told: int = 0
    posts: int = 0
    made: datetime | None = None


async def due_texts(tx: Transaction, now: datetime) -> list[Due]:
    """Words that wait to be posted, oldest first; those of a thread once it has begun."""
    parents = cards.alias("parents")
    query = (
        select(cards, parents.c.ts.label("thread"))
        .outerjoin(parents, and_(parents.c.incident == cards.c.incident, parents.c.part == CARD))
        .where(
            cards.c.part.in_((CALL, NOTE)),
            cards.c.ts.is_(None),
            or_(cards.c.part == NOTE, parents.c.ts.is_not(None)),
            _ready(now),
        )
    )
    rows = (await tx.execute(query.order_by(cards.c.made).limit(_BATCH))).mappings().all()
    return [_due(row) for row in rows]


async def due_cards(tx: Transaction, now: datetime) -> list[Due]:
    """Incidents whose card is missing or behind, or shows clocks of a minute ago; urgent ones first."""
    mine = and_(cards.c.incident == incidents.c.id, cards.c.part == CARD)
    behind = or_(cards.c.revision < incidents.c.revision, cards.c.wanted > cards.c.shown)
    open_one = incidents.c.closed.is_(None)
    ticking = and_(open_one, cards.c.shown <= now - _MINUTE)
    query = (
        select(
            cards,
            incidents.c.id.label("about"),
            incidents.c.priority.label("urgency"),
        )
        .select_from(incidents.outerjoin(cards, mine))
        .where(
            or_(open_one, and_(incidents.c.closed >= now - _RECENT, cards.c.ts.is_not(None))),
            or_(cards.c.id.is_(None), behind, ticking),
            _ready(now),
        )
    )
    # What changed goes before clocks, a first card before edits, the least fresh clock before others.
    query = query.order_by(
        (cards.c.id.is_not(None) & ~behind).asc(),
        cards.c.ts.is_not(None).asc(),
        incidents.c.priority,
        cards.c.shown,
        incidents.c.opened,
    )
    rows = (await tx.execute(query.limit(_BATCH))).mappings().all()
    return [_about(row) for row in rows]


async def due_logs(tx: Transaction, now: datetime) -> list[Due]:
    """Incidents whose log in the card's thread is missing or behind."""
    parents = cards.alias("parents")
    mine = and_(cards.c.incident == incidents.c.id, cards.c.part == LOG)
    parent = and_(parents.c.incident == incidents.c.id, parents.c.part == CARD)
    query = (
        select(
            cards,
            incidents.c.id.label("about"),
            incidents.c.priority.label("urgency"),
            parents.c.ts.label("thread"),
            parents.c.channel.label("where"),
        )
        .select_from(incidents.join(parents, parent).outerjoin(cards, mine))
        .where(
            parents.c.ts.is_not(None),
            or_(incidents.c.closed.is_(None), incidents.c.closed >= now - _RECENT),
            or_(cards.c.id.is_(None), cards.c.revision < incidents.c.revision),
            _ready(now),
        )
        .order_by(incidents.c.priority, cards.c.shown)
    )
    rows = (await tx.execute(query.limit(_BATCH))).mappings().all()
    return [
        _about(row, LOG).model_copy(update={"thread": row["thread"], "channel": row["where"]})
        for row in rows
    ]


async def begin(tx: Transaction, due: Due, now: datetime) -> None:
    """Write down that *due* is being posted from now on, before it is."""
    values = {"begun": due.begun or now, "attempts": due.attempts + 1, "channel": due.channel}
    fresh = {
        "id": due.id,
        "part": due.part,
        "incident": due.incident,
        "made": now,
        "mark": due.mark,
        "text": due.text,
        "digest": "",
        "revision": -1,
        "seen": 0,
        "told": 0,
        "posts": 0,
        "unsure": 0,
        "said": "",
    }
    if not await insert_new(tx, cards, fresh | values):
        await tx.execute(update(cards).where(cards.c.id == due.id).values(values))


async def shown(tx: Transaction, due: Due, now: datetime, **values: Any) -> None:  # noqa: ANN401 - of the row
    """Write down that *due* is in Slack as of *now*, and nothing about it is unknown any more."""
    settled = {
        "shown": now,
        "begun": None,
        "unsure": 0,
        "attempts": 0,
        "next_try": None,
        "said": "",
    }
    await tx.execute(update(cards).where(cards.c.id == due.id).values(settled | values))


async def not_shown(
    tx: Transaction, due: Due, said: str, *, again: datetime, undone: bool, gone: bool = False
) -> None:
    """Write down why *due* is not in Slack. *undone*: surely not; *gone*: a person took it away."""
    values: dict[str, Any] = {
        "said": said[:500],
        "next_try": again,
        "attempts": due.attempts + 1,
    }
    if undone:
        values["begun"] = due.begun
    elif due.ts is None:
        values["unsure"] = due.unsure + 1
    if gone:
        values |= {"ts": None, "digest": "", "revision": -1}
    await tx.execute(update(cards).where(cards.c.id == due.id).values(values))


async def queue(
    tx: Transaction,
    part: str,
    name: str,
    channel: str,
    text: str,
    now: datetime,
    incident: str | None,
) -> bool:
    """Leave words to be posted once; returns whether they are new."""
    row = {
        "id": f"{part}/{name}"[:160],
        "part": part,
        "incident": incident,
        "channel": channel,
        "made": now,
        "text": text,
        "mark": secrets.token_hex(8),
        "digest": "",
        "revision": -1,
        "seen": 0,
        "told": 0,
        "posts": 0,
        "unsure": 0,
        "attempts": 0,
        "said": "",
    }
    return await insert_new(tx, cards, row)


async def described(tx: Transaction, channel: str, ts: str) -> Row | None:
    """Which card a message in Slack is; None for any that is not ours."""
    query = select(cards).where(cards.c.channel == channel, cards.c.ts == ts)
    return (await tx.execute(query)).mappings().one_or_none()


async def of_incident(tx: Transaction, incident: str) -> Row | None:
    """The row of an incident's card."""
    query = select(cards).where(cards.c.incident == incident, cards.c.part == CARD)
    return (await tx.execute(query)).mappings().one_or_none()


async def ahead(tx: Transaction) -> int:
    """How many cards wait to be posted, or to show a message that somebody waits for."""
    mine = and_(cards.c.incident == incidents.c.id, cards.c.part == CARD)
    missing = and_(incidents.c.closed.is_(None), cards.c.ts.is_(None))
    query = (
        select(func.count())
        .select_from(incidents.outerjoin(cards, mine))
        .where(or_(missing, cards.c.wanted > cards.c.shown))
    )
    return int((await tx.execute(query)).scalar_one())


async def keeper(tx: Transaction, *, lock: bool = False) -> Row | None:
    """Who keeps the cards, until when, and since when Slack is down."""
    query = select(card_keeper).where(card_keeper.c.id == 1)
    if lock:
        query = query.with_for_update()
    return (await tx.execute(query)).mappings().one_or_none()


def _ready(now: datetime) -> Any:  # noqa: ANN401 - a condition
    return or_(cards.c.next_try.is_(None), cards.c.next_try <= now)


def _due(row: Row, **more: Any) -> Due:  # noqa: ANN401 - fields
    names: Sequence[str] = [n for n in Due.model_fields if n in row and n not in more]
    return Due(**{name: row[name] for name in names}, **more)


def _about(row: Row, part: str = CARD) -> Due:
    """What a row of incidents with, or without, what is shown of them is."""
    about, urgency = row["about"], row["urgency"]
    if row["id"] is None:
        return Due(id=f"{part}/{about}", part=part, channel="", incident=about, priority=urgency,
                   mark=secrets.token_hex(8))  # fmt: skip
    return _due(row, priority=urgency)
