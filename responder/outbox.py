"""Sending what was written for people: to the log always, and by the channels until one took it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select, update

from responder.notify.message import Message, Undelivered
from responder.notify.routing import Routing, addresses
from responder.people.oncall import Override
from responder.people.reach import ESCALATION, Reached
from responder.people.standing_in import in_force
from responder.store import Store
from responder.store.paging import sendings
from responder.store.rows import Row, insert_new
from responder.store.tables import messages
from responder.verbs.telling import tell

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0
_BATCH = 50
_AT_ONCE = 8
_FIRST_WAIT = 5.0  # seconds before a channel that did not take a message is tried again with it
_LONGEST_WAIT = 300.0


class Outbox:
    """
    Sends each message until a channel took it; nothing is lost because a mail server was down.

    A channel that does not take a message hands it to the next one at once. Every attempt is kept,
    with the receipt or with what was said instead.
    """

    def __init__(self, store: Store, routing: Routing) -> None:
        self._store = store
        self._routing = routing
        self._overrides: list[Override] = []

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            try:
                while await self.once() == _BATCH:
                    pass
            except Exception as error:  # noqa: BLE001 - the outbox must outlive any one fault
                log.error("outbox_failed", error=f"{type(error).__name__}: {error}"[:500])
            await asyncio.sleep(_EVERY_SECONDS)

    async def once(self) -> int:
        """One round; returns how many messages it tried."""
        now = self._store.now()
        async with self._store.reading() as tx:
            query = select(messages).where(
                messages.c.sent.is_(None),
                or_(messages.c.next_try.is_(None), messages.c.next_try <= now),
            )
            query = query.order_by(messages.c.loud.desc(), messages.c.id).limit(_BATCH)
            rows = (await tx.execute(query)).mappings().all()
            if rows and self._routing.reach.oncall.rosters:
                self._overrides = await in_force(tx, now)
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._one(gate, row) for row in rows))
        return len(rows)

    async def _one(self, gate: asyncio.Semaphore, row: Row) -> None:
        async with gate:
            message = Message.of(row)
            if row["attempts"] == 0:
                # The key says what it is about in ids and targets; alert text stays out of the log.
                (log.warning if message.loud else log.info)(
                    "message", to=message.audience, about=message.key, incident=message.incident
                )
            reached = self._routing.reached(message.audience, self._store.now(), self._overrides)
            if message.addressees is not None:
                reached = self._routing.named(message.addressees)
            channels = self._routing.channels(message, reached.people)
            await self._say_gap(message, reached, channels)
            before = await self._before(message)
            waits: list[datetime] = []
            for name in channels:
                again = await self._try(name, message, addresses(reached.people), before.get(name))
                if again is None:
                    break
                waits.append(again)
            if len(waits) < len(channels) or not channels:
                await self._close(message, row["attempts"], sent=self._store.now())
                return
            log.error("message_undelivered", about=message.key, tried=list(channels))
            await self._close(message, row["attempts"], again=min(waits))

    async def _say_gap(self, message: Message, reached: Reached, channels: Sequence[str]) -> None:
        """
        Report a level that reaches nobody, or nobody on call; what must not wait goes further up at once.

        Skipped levels are never silent: who is told instead is told why.
        """
        nobody = not reached.people and not channels
        if not self._routing.senders:
            return
        if not message.loud or message.audience == ESCALATION or not (nobody or reached.said):
            return
        said = reached.said or f"{message.audience} reaches nobody: there is nobody active in it"
        async with self._store.transaction() as tx:
            await tell(
                tx,
                self._store.now(),
                key=f"gap/{message.key}"[:390] if nobody else f"gap/{said}/{message.made:%Y%m%d%H}",
                audience=ESCALATION,
                incident=message.incident,
                loud=True,
                subject=message.subject if nobody else said,
                body=f"{said}.\n\n{message.body}".strip(),
            )

    async def _before(self, message: Message) -> dict[str, Row]:
        async with self._store.reading() as tx:
            query = select(sendings).where(sendings.c.message == message.id)
            return {row["channel"]: row for row in (await tx.execute(query)).mappings()}

    async def _try(
        self, name: str, message: Message, to: Sequence[str], before: Row | None
    ) -> datetime | None:
        """Try one channel; returns None when it took the message, else when to try it there again."""
        now = self._store.now()
        if before is not None and before["receipt"]:
            return None  # taken, and this process ended before it could write that down as sent
        if before is not None and before["next_try"] is not None and before["next_try"] > now:
            later: datetime = before["next_try"]
            return later
        attempts = (before["attempts"] if before is not None else 0) + 1
        receipt, said, next_try = "", "", None
        try:
            receipt = await self._routing.senders[name].send(message, to)
        except Undelivered as undelivered:
            said = undelivered.said
            wait = undelivered.wait or min(_FIRST_WAIT * 2 ** min(attempts - 1, 8), _LONGEST_WAIT)
            next_try = self._store.now() + timedelta(seconds=wait)
            log.warning("channel_did_not_take", channel=name, about=message.key, said=said[:200])
        values = {
            "attempts": attempts,
            "tried": now,
            "next_try": next_try,
            "receipt": receipt,
            "said": said,
        }
        async with self._store.transaction() as tx:
            key = {"message": message.id, "channel": name}
            if not await insert_new(tx, sendings, key | values):
                this = (sendings.c.message == message.id, sendings.c.channel == name)
                await tx.execute(update(sendings).where(*this).values(values))
        return next_try

    async def _close(
        self,
        message: Message,
        attempts: int,
        *,
        sent: datetime | None = None,
        again: datetime | None = None,
    ) -> None:
        values = {"attempts": attempts + 1, "sent": sent, "next_try": again}
        async with self._store.transaction() as tx:
            await tx.execute(update(messages).where(messages.c.id == message.id).values(values))
