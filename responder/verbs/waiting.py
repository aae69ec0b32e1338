"""Whether a step still waits for people, or what became of it meanwhile."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select

from responder.errors import Drifted, Refused
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import steps


async def still_asked(tx: Transaction, key: str) -> Row | None:
    """
    The step, with its row locked, if it still waits; None if another attempt has begun it.

    Where a worker stood still, Temporal gives its step to another: both may have seen it approved.
    Raises what the other attempt raised where it came to nothing.
    """
    query = select(steps).where(steps.c.key == key).with_for_update()
    step = (await tx.execute(query)).mappings().one()
    raise_if_over(step)
    return step if step["state"] == "asked" else None


def raise_if_over(step: Mapping[Any, Any]) -> None:
    """Raise what became of *step* if it is over and nothing was done."""
    match step["state"]:
        case "refused":
            raise Refused(step["said"])
        case "drifted":
            raise Drifted(step["said"])
