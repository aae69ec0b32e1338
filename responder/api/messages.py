"""What was said to people and by which channel it reached them, and the pages that wait for somebody."""

from typing import Any

from sqlalchemy import select

from responder.api.route import Call, Routes
from responder.paging import acknowledge, listed
from responder.people.person import Permission
from responder.standing.whole import plain
from responder.store.paging import sendings
from responder.store.tables import messages

routes = Routes()
_SHOWN = ("id", "key", "incident", "audience", "subject", "loud", "made", "sent", "attempts")
_TRIED = ("channel", "attempts", "tried", "next_try", "receipt", "said")


@routes.get("/api/messages", Permission.INCIDENTS_READ)
async def list_messages(call: Call) -> list[dict[str, Any]]:
    """The last messages with each channel's attempts; only those that no channel took, if asked."""
    query = select(messages).order_by(messages.c.id.desc()).limit(call.number("last", 50, most=500))
    if call.flag("waiting"):
        query = query.where(messages.c.sent.is_(None))
    async with call.served.store.reading() as tx:
        rows = (await tx.execute(query)).mappings().all()
        mine = sendings.c.message.in_([row["id"] for row in rows])
        tried = (await tx.execute(select(sendings).where(mine))).mappings().all()
    by: dict[int, list[dict[str, Any]]] = {}
    for one in tried:
        by.setdefault(one["message"], []).append(plain({name: one[name] for name in _TRIED}))
    return [
        plain({name: row[name] for name in _SHOWN}) | {"channels": by.get(row["id"], [])}
        for row in reversed(rows)
    ]


@routes.get("/api/pages", Permission.INCIDENTS_READ)
async def list_pages(call: Call) -> list[dict[str, Any]]:
    """Who is wanted and has not come."""
    rows = await listed(call.served.store, everything=call.flag("everything"))
    return [plain(row) for row in rows]


@routes.post("/api/pages/{page}/ack", Permission.PAGES_TAKE)
async def take_page(call: Call) -> dict[str, Any]:
    """Say that one comes."""
    return await acknowledge(call.served.store, call.path("page"), call.person)
