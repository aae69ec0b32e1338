"""
Buttons: what each carries is an opaque id of 128 bits that the store minted, and nothing else.

What a button does, to which ask and of which plan, is read from its row: a value that somebody edited
is an id that was never minted, and one of another plan is known to be.
"""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import select

from responder.store.chat import buttons
from responder.store.database import Transaction
from responder.store.rows import Row, insert_new

_ID_LENGTH = 32


class Offered(Protocol):
    """What a button is to do."""

    @property
    def action(self) -> str: ...
    @property
    def ask(self) -> str: ...
    @property
    def digest(self) -> str: ...


async def minted(tx: Transaction, incident: str, offers: Sequence[Offered]) -> dict[str, str]:
    """The ids of those of *offers* that have one, by action."""
    rows = (await tx.execute(select(buttons).where(buttons.c.incident == incident))).mappings()
    known = {(row["action"], row["ask"], row["digest"]): row["id"] for row in rows}
    found = ((one.action, known.get((one.action, one.ask, one.digest))) for one in offers)
    return {action: name for action, name in found if name is not None}


async def mint(
    tx: Transaction, incident: str, offers: Sequence[Offered], now: datetime
) -> Mapping[str, str]:
    """The ids of *offers*, by action; the same offer has the same id for ever."""
    for one in offers:
        row = {
            "id": secrets.token_hex(_ID_LENGTH // 2),
            "incident": incident,
            "action": one.action,
            "ask": one.ask,
            "digest": one.digest,
            "made": now,
        }
        await insert_new(tx, buttons, row)
    return await minted(tx, incident, offers)


async def pressed(tx: Transaction, name: str) -> Row | None:
    """What the button with the id *name* does; None if no such button was ever made."""
    if len(name) != _ID_LENGTH:
        return None
    query = select(buttons).where(buttons.c.id == name)
    return (await tx.execute(query)).mappings().one_or_none()
