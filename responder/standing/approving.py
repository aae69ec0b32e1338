"""The approve clock: the expiry of the ask that expires first, beside the other clocks of its incident."""

from datetime import datetime
from typing import Any

from sqlalchemy import insert, update

from responder.policy.sla import Clock
from responder.standing.facts import Facts
from responder.standing.timing import afresh
from responder.store.database import Transaction
from responder.store.tables import clocks


async def follow_asks(tx: Transaction, facts: Facts, now: datetime) -> bool:
    """Set the approve clock by the asks; returns whether it changed. How an ask ends is not its to say."""
    if not facts.asks:
        return False
    row = next((one for one in facts.clocks if one["clock"] == Clock.APPROVE), None)
    waiting = min(facts.open_asks, key=lambda ask: ask["expires"], default=None)
    if waiting is not None:
        if (
            row is not None
            and row["met"] is None
            and row["breached"] is None
            and (row["due"] == waiting["expires"])
        ):
            return False
        within = waiting["expires"] - waiting["opened"]
        values = afresh(waiting["opened"], within, None) | {"due": waiting["expires"]}
    elif row is None or row["met"] is not None or row["breached"] is not None:
        return False
    else:
        values = _ended(facts.asks, now)
    if row is None:
        await tx.execute(
            insert(clocks).values(incident=facts.incident["id"], clock=Clock.APPROVE, **values)
        )
        return True
    this = (clocks.c.incident == facts.incident["id"], clocks.c.clock == Clock.APPROVE)
    await tx.execute(update(clocks).where(*this).values(values))
    return True


def _ended(asks: Any, now: datetime) -> dict[str, Any]:  # noqa: ANN401 - rows
    """The ask that the clock ran for is decided, or expired: and that was told when it did."""
    last = max(asks, key=lambda ask: ask["decided"] or ask["opened"])
    if last["state"] == "expired":
        return {"struck": 1.0, "breached": last["expires"], "level": 1, "climbed": now}
    return {"met": last["decided"] or now}
