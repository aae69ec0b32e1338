"""What the pages read from the store."""

from typing import Any

from sqlalchemy import select

from responder.standing.whole import Row, plain
from responder.store.database import Transaction
from responder.store.tables import asks, clocks, decisions, holds, incidents, resources

_MOST = 200


async def open_incidents(tx: Transaction) -> list[Row]:
    """The open incidents, most urgent first, each with its clocks, open asks and count of holds."""
    query = (
        select(incidents)
        .where(incidents.c.closed.is_(None))
        .order_by(incidents.c.priority, incidents.c.opened.desc())
        .limit(_MOST)
    )
    found = [plain(row) for row in (await tx.execute(query)).mappings()]
    keys = [row["id"] for row in found]
    timed = await _of(tx, select(clocks).order_by(clocks.c.due), clocks.c.incident, keys)
    asked = await _of(
        tx,
        select(asks).where(asks.c.state == "open").order_by(asks.c.expires),
        asks.c.incident,
        keys,
    )
    held = await _of(
        tx,
        select(holds.c.incident, holds.c.id).where(holds.c.ended.is_(None)),
        holds.c.incident,
        keys,
    )
    return [
        row
        | {
            "clocks": timed.get(row["id"], []),
            "asks": asked.get(row["id"], []),
            "holds": len(held.get(row["id"], [])),
        }
        for row in found
    ]


async def some_asks(tx: Transaction, *, ended: bool) -> list[Row]:
    """The asks that wait, the next to end first; or the last that have ended."""
    query = select(asks).where((asks.c.state != "open") if ended else (asks.c.state == "open"))
    query = query.order_by(asks.c.decided.desc() if ended else asks.c.expires).limit(
        20 if ended else _MOST
    )
    return [plain(row) for row in (await tx.execute(query)).mappings()]


async def one_ask(tx: Transaction, ask: str) -> Row | None:
    """An ask with its incident's head and what was decided about it."""
    row = (await tx.execute(select(asks).where(asks.c.id == ask))).mappings().one_or_none()
    if row is None:
        return None
    query = select(incidents).where(incidents.c.id == row["incident"])
    about = (await tx.execute(query)).mappings().one()
    query = select(
        decisions.c.principal, decisions.c.approve, decisions.c.document, decisions.c.revoked
    )
    given = await tx.execute(query.where(decisions.c.ask == ask).order_by(decisions.c.id))
    return plain(row) | {
        "about": plain(about),
        "decisions": [plain(one) for one in given.mappings()],
    }


async def leases(tx: Transaction, *, ended: bool) -> list[Row]:
    """What is held, the next to end first; or what ended last."""
    query = select(
        holds, resources.c.point, resources.c.outcome, resources.c.state, resources.c.said
    ).join(resources, resources.c.name == holds.c.resource)
    if ended:
        query = query.where(holds.c.ended.is_not(None)).order_by(holds.c.ended.desc()).limit(20)
    else:
        query = query.where(holds.c.ended.is_(None)).order_by(holds.c.until, holds.c.taken)
        query = query.limit(_MOST)
    return [plain(row) for row in (await tx.execute(query)).mappings()]


async def _of(tx: Transaction, query: Any, column: Any, keys: list[str]) -> dict[str, list[Row]]:  # noqa: ANN401 - SQLAlchemy's
    """Rows of several incidents, by incident."""
    found: dict[str, list[Row]] = {}
    for row in (await tx.execute(query.where(column.in_(keys)))).mappings():
        found.setdefault(row["incident"], []).append(plain(row))
    return found
