"""What does not work at the moment, in words for whoever is about to rely on it."""

import asyncio
import time
from typing import Any, Final

from sqlalchemy import func, select

from responder.api.parts import Parts
from responder.incident import Frozen
from responder.store.chat import card_keeper
from responder.store.database import Transaction
from responder.store.tables import messages, settings_now
from responder.temporal import until_there

_FRESH_SECONDS: Final = 5.0
_PATIENCE_SECONDS: Final = 0.8
_STUCK_ATTEMPTS: Final = 2


class Notice(Frozen):
    """One thing that people should know before they act."""

    grave: bool
    said: str
    now_what: str
    where: str = ""  # a page that can change it


class Health:
    """Whether Temporal and a worker answer, asked at most every few seconds whoever looks."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._asked = 0.0
        self._temporal = True
        self._worker = True
        self._asking = asyncio.Lock()

    async def state(self) -> str:
        """What answers, as a mark that changes when that does."""
        await self._ask()
        return f"{self._temporal:d}{self._worker:d}"

    async def notices(self, tx: Transaction) -> list[Notice]:
        """What is wrong now, the gravest first."""
        await self._ask()
        found = []
        if not self._temporal:
            found.append(
                Notice(
                    grave=True,
                    said="Temporal does not answer.",
                    now_what="Decisions are recorded here and carried out when it is back; alerts are "
                    "taken in.",
                )
            )
        elif not self._worker:
            found.append(
                Notice(
                    grave=True,
                    said="No worker is running.",
                    now_what="Decisions are recorded, and carried out when one is back.",
                )
            )
        if said := await _paused(tx):
            found.append(said)
        if said := await _slack(tx):
            found.append(said)
        return [*found, *await _undelivered(tx)]

    async def _ask(self) -> None:
        async with self._asking:
            if time.monotonic() - self._asked < _FRESH_SECONDS:
                return
            link = self._parts.link
            self._temporal = await until_there(link.client, _PATIENCE_SECONDS)
            if self._temporal:
                try:
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        self._worker = await link.has_worker()
                except Exception:  # noqa: BLE001 - it went away just now: the next look says so
                    self._worker = True
            self._asked = time.monotonic()


async def _paused(tx: Transaction) -> Notice | None:
    query = select(settings_now.c.value).where(settings_now.c.name == "paused")
    value: Any = (await tx.execute(query)).scalar_one_or_none()
    if not value or not value.get("paused"):
        return None
    return Notice(
        grave=True,
        said=f"The runner is paused by {value.get('by')}: {value.get('reason')}",
        now_what="Nothing new is done; what is leased is still undone in time.",
        where="/runner",
    )


async def _slack(tx: Transaction) -> Notice | None:
    keeper = (await tx.execute(select(card_keeper.c.down, card_keeper.c.said))).first()
    if keeper is None or keeper.down is None:
        return None
    why = f": {keeper.said}" if keeper.said else ""
    return Notice(
        grave=False,
        said=f"Slack does not answer since {keeper.down:%H:%M:%S} UTC{why}",
        now_what="Asks are decided here, in the terminal, and by the links that people are mailed. Its "
        "cards are brought up to date when it is back.",
    )


async def _undelivered(tx: Transaction) -> list[Notice]:
    """Messages that no channel took, though it was tried."""
    waiting = (messages.c.sent.is_(None), messages.c.attempts >= _STUCK_ATTEMPTS)
    count = (await tx.execute(select(func.count()).where(*waiting))).scalar_one()
    if not count:
        return []
    query = select(messages.c.said).where(*waiting).order_by(messages.c.id.desc()).limit(1)
    said = (await tx.execute(query)).scalar_one()
    what = "1 message has" if count == 1 else f"{count} messages have"
    return [
        Notice(
            grave=False,
            said=f"{what} reached nobody yet: {said or 'no channel took it'}",
            now_what="They are tried again. What they say stands here.",
        )
    ]
