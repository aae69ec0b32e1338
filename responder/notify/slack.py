"""
Slack as a channel of messages: one about an incident is taken once its card shows how things are.

The card itself is kept by `responder.slack.cards_kept`, perhaps in another process; here it is only
waited for, and not at all while Slack is known to be down, so that the next channel is tried at once.
"""

import asyncio
import time
from collections.abc import Sequence

from sqlalchemy import select, update

from responder.notify.message import Message, Undelivered
from responder.slack.settings import SlackSettings
from responder.slack.shown import NOTE, ahead, keeper, of_incident, queue
from responder.slack.wording import plainly
from responder.store import Store
from responder.store.chat import cards
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import incidents

_SECONDS = (
    10.0  # how long a card is waited for; it takes about one, and more when many wait their turn
)
_LOOK_EVERY = 0.25
_LONGEST = 3_000


class SlackSender:
    """The channel of `slack:` in the settings."""

    def __init__(self, settings: SlackSettings, store: Store, *, seconds: float = _SECONDS) -> None:
        self._settings = settings
        self._store = store
        self._seconds = seconds

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        """Wait until it can be seen in Slack; the receipt is the channel and `ts` of what shows it."""
        await self._must_be_up()
        name = None
        async with self._store.transaction() as tx:
            if message.incident is None or await _cardless(tx, message.incident):
                name = f"{NOTE}/{message.id}"
                text = plainly(f"{message.subject}\n{message.body}".strip(), _LONGEST)
                now = self._store.now()
                await queue(tx, NOTE, str(message.id), self._settings.channel, text, now, None)
            else:
                mine = (cards.c.incident == message.incident, cards.c.part == "card")
                await tx.execute(update(cards).where(*mine).values(wanted=message.made))
        give_up = time.monotonic() + self._seconds
        while time.monotonic() < give_up:
            async with self._store.reading() as tx:
                row = await _shown(tx, message, name)
            if row is not None:
                return f"{row['channel']} {row['ts']}"
            await self._must_be_up()
            await asyncio.sleep(_LOOK_EVERY)
        raise Undelivered(f"Slack: it was not shown within {self._seconds:g} s")

    async def _must_be_up(self) -> None:
        async with self._store.reading() as tx:
            now = self._store.now()
            row = await keeper(tx)
            waiting = await ahead(tx)
        if row is None or row["until"] <= now:
            raise Undelivered("Slack: no process keeps the cards at the moment")
        if row["down"] is not None:
            raise Undelivered(
                f"Slack is down since {row['down']:%H:%M:%S} UTC: {row['said']}"[:500]
            )
        if waiting > self._seconds:  # one a second
            raise Undelivered(f"Slack: {waiting} cards wait for their turn")


async def _cardless(tx: Transaction, incident: str) -> bool:
    """Whether an incident has no card and gets none: it is over."""
    row = await of_incident(tx, incident)
    if row is not None and row["ts"] is not None:
        return False
    closed = select(incidents.c.closed).where(incidents.c.id == incident)
    return (await tx.execute(closed)).scalar_one_or_none() is not None


async def _shown(tx: Transaction, message: Message, name: str | None) -> Row | None:
    if name is not None:
        query = cards.select().where(cards.c.id == name, cards.c.ts.is_not(None))
        return (await tx.execute(query)).mappings().one_or_none()
    assert message.incident is not None
    row = await of_incident(tx, message.incident)
    return row if row is not None and row["ts"] is not None and row["seen"] >= message.id else None
