"""What came of every hold that an ask would end or extend: one plain line each, from rows alone."""

from datetime import datetime
from typing import Any

from sqlalchemy import select

from responder.plan import Outcome
from responder.policy.leases import LeaseKind
from responder.store.database import Transaction
from responder.store.leasing import leased
from responder.store.rows import Row
from responder.store.tables import asks, holds, resources

_Came = dict[str, Any]


async def came_of(tx: Transaction, ask_id: str) -> list[_Came]:
    """
    Each hold of the ask in the order of its undoing, with `came` in words.

    `settled` is true where nothing more will come of it: undone, held by another, or left as found.
    """
    query = select(asks).where(asks.c.id == ask_id)
    ask = (await tx.execute(query)).mappings().one()
    about = (
        select(
            holds,
            resources.c.state.label("resource_state"),
            resources.c.outcome,
            resources.c.said,
            resources.c.checked,
        )
        .join(leased, leased.c.hold == holds.c.id)
        .join(resources, resources.c.name == holds.c.resource)
        .where(leased.c.ask == ask_id)
        .order_by(leased.c.position)
    )
    found: list[_Came] = []
    for row in (await tx.execute(about)).mappings().all():
        settled, came = await _came(tx, ask, row)
        found.append(
            {
                "hold": row["id"],
                "resource": row["resource"],
                "incident": row["incident"],
                "summary": row["summary"],
                "came": came,
                "settled": settled,
            }
        )
    return found


async def _came(tx: Transaction, ask: Row, row: Row) -> tuple[bool, str]:
    if ask["state"] == "open":
        return True, f"unchanged until ask {ask['id']} is approved by one more person"
    if ask["applied"] is None:
        done = ask["state"] != "approved"
        return done, f"unchanged: the ask is {ask['state']}" if done else "recorded"
    if ask["kind"] == LeaseKind.EXTEND:
        return _extended(ask, row)
    if row["lifted"] is not None:
        return True, f"undone at {row['lifted']:%H:%M:%S} UTC, and read back"
    if row["resource_state"] == "disputed":
        return True, f"ended, and left as found: {row['said']}"
    if row["resource_state"] == "clear":
        return True, f"ended; {row['said'] or 'nothing of it is held'}"
    others = select(holds.c.incident).where(
        holds.c.resource == row["resource"], holds.c.ended.is_(None), holds.c.id != row["id"]
    )
    if by := sorted(set((await tx.execute(others)).scalars())):
        return True, f"ended; {', '.join(by)} still holds it"
    if row["said"]:
        return False, f"ended, not undone yet: {row['said']}"
    return False, "ended, being undone"


def _extended(ask: Row, row: Row) -> tuple[bool, str]:
    until = datetime.fromisoformat(ask["subject"]["until"])
    if row["until"] is None or row["until"] < until or row["ended"] is not None:
        return True, "unchanged: it had ended meanwhile"
    looked = row["checked"] is not None and row["checked"] >= ask["applied"]
    if looked and row["outcome"] == Outcome.VERIFIED:
        return True, f"held until {until:%Y-%m-%d %H:%M:%S} UTC, and read back"
    return (
        False,
        f"held until {until:%Y-%m-%d %H:%M:%S} UTC, not read back yet {row['said']}".rstrip(),
    )
