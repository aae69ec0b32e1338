"""Putting one thing into Slack: drawn from the facts as they are at that moment, sent, written down."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog
from sqlalchemy import update

from responder.slack import shown
from responder.slack.blocks import Rendered
from responder.slack.buttons import Offered, mint, minted
from responder.slack.client import Slack
from responder.slack.errors import SlackError, SlackRefused, SlackUnreachable
from responder.slack.shown import CALL, CARD, LOG, Due
from responder.slack.wording import plainly
from responder.standing.whole import whole
from responder.store import Store
from responder.store.chat import cards

log = structlog.get_logger(__name__)

# Posts in the channel that an incident may make: what needs a person beyond them is an edit.
POSTS: Mapping[str, int] = {"P1": 4, "P2": 3, "P3": 1, "P4": 1}
_AGAIN = " · posted again: the first try had no answer, so this may be here twice"
_TOO_LARGE = frozenset({"msg_too_long", "msg_blocks_too_long", "invalid_blocks", "too_many_blocks"})
_GONE = frozenset({"message_not_found", "cant_update_message", "edit_window_closed"})
_FIRST_WAIT, _LONGEST_WAIT = 5.0, 300.0
_LATE = timedelta(seconds=5)  # what Slack may still be doing with a posting that had no answer


class Drawn(Protocol):
    """A message as it is drawn."""

    @property
    def blocks(self) -> Sequence[Mapping[str, Any]]: ...
    @property
    def text(self) -> str: ...


Drawing = Callable[..., Drawn | None]
Offers = Callable[[dict[str, Any], datetime], Sequence[Offered]]


class Showing:
    """Shows one thing at a time. Raises `SlackError` after writing down what went wrong."""

    def __init__(
        self,
        store: Store,
        slack: Slack,
        origin: str,
        drawings: Mapping[str, Drawing],
        offers: Offers,
    ) -> None:
        self._store = store
        self._slack = slack
        self._origin = origin
        self._drawings = drawings
        self._offers = offers

    def wait(self, due: Due) -> float:
        """Seconds until it is this thing's turn."""
        method = "chat.postMessage" if due.ts is None else "chat.update"
        return self._slack.pace.wait(method, self._channel(due))

    async def show(self, due: Due) -> None:
        """Bring *due* up to date in Slack: the newest state, once."""
        due = due.model_copy(update={"channel": self._channel(due)})
        if due.part not in (CARD, LOG):
            await self._send(due, None, due.text, {})
            return
        assert due.incident is not None
        async with self._store.reading() as tx:
            now = self._store.now()
            found = await whole(tx, due.incident, now)
        assert found is not None
        found["runbook"] = self._slack.settings.runbook_of(found["category"])
        drawn = await self._draw(due.part, due.incident, found, now)
        loud = [m for m in found["messages"] if m["loud"]]
        seen = max((m["id"] for m in found["messages"]), default=0)
        values = {"revision": found["revision"], "digest": _digest(drawn), "seen": seen}
        if drawn is None or values["digest"] == due.digest:
            await self._unchanged(due, now, values)
        else:
            await self._send(due, drawn.blocks, drawn.text, values, loud, now)
        if due.part == CARD and due.ts is not None:
            await self._call(due, loud)

    async def _draw(
        self, part: str, incident: str, found: dict[str, Any], now: datetime
    ) -> Drawn | None:
        """The message as it is to be; one that cannot be drawn says so, and where to look instead."""
        try:
            if part != CARD:
                return self._drawings[part](found, now, self._origin)
            ids = await self._buttons(incident, found, now)
            return self._drawings[part](found, now, self._origin, buttons=ids)
        except Exception as error:  # noqa: BLE001 - an incident that cannot be drawn must not hold up the others
            log.error(
                "card_not_drawn",
                part=part,
                incident=incident,
                error=f"{type(error).__name__}: {error}"[:300],
            )
            if part != CARD:
                return None
            title = plainly(found["title"], 300)
            return Rendered(
                blocks=(),
                text=f"{found['priority']} {incident}: {title}. This card could not be drawn; see "
                f"{self._origin}/incidents/{incident}",
            )

    async def _buttons(
        self, incident: str, found: dict[str, Any], now: datetime
    ) -> Mapping[str, str]:
        offered = self._offers(found, now)
        async with self._store.reading() as tx:
            known = await minted(tx, incident, offered)
        if len(known) == len({one.action for one in offered}):
            return known
        async with self._store.transaction() as tx:
            return await mint(tx, incident, offered, now)

    async def _unchanged(self, due: Due, now: datetime, values: dict[str, Any]) -> None:
        async with self._store.transaction() as tx:
            if due.made is None:  # nothing to say yet, and that is remembered
                await shown.begin(tx, due, now)
            await shown.shown(tx, due, now, **values)

    async def _send(
        self,
        due: Due,
        blocks: Sequence[Mapping[str, Any]] | None,
        text: str,
        values: dict[str, Any],
        loud: Sequence[Mapping[str, Any]] = (),
        now: datetime | None = None,
    ) -> None:
        now = now or self._store.now()
        try:
            if due.ts is not None:
                await self._edit(due, blocks, text)
            else:
                values = values | {
                    "ts": await self._post(due, blocks, text),
                    "posts": due.posts + 1,
                }
                if loud:
                    values["told"] = max(m["id"] for m in loud)
        except SlackError as error:
            await self._failed(due, error)
            raise
        async with self._store.transaction() as tx:
            await shown.shown(tx, due, now, **values)

    async def _edit(self, due: Due, blocks: Sequence[Mapping[str, Any]] | None, text: str) -> None:
        assert due.ts is not None
        try:
            await self._slack.edit(due.channel, due.ts, blocks, text)
        except SlackRefused as refused:
            if refused.error not in _TOO_LARGE:
                raise
            log.error("card_too_large", incident=due.incident, error=refused.error)
            await self._slack.edit(due.channel, due.ts, None, text)

    async def _post(self, due: Due, blocks: Sequence[Mapping[str, Any]] | None, text: str) -> str:
        """Post it, knowing of a posting before whose end is unknown: found, or posted again and said."""
        if due.begun is not None:
            if self._slack.settings.look_back:
                since = due.begun.timestamp() - 60
                found = await self._slack.find(due.channel, due.mark, since, due.thread)
                if found is not None:
                    return found
            else:
                text, blocks = f"{text}{_AGAIN}", _with_note(blocks)
        async with self._store.transaction() as tx:
            await shown.begin(tx, due, self._store.now())
        more: dict[str, Any] = {"mark": due.mark, "aloud": due.part == CALL}
        try:
            return await self._slack.post(due.channel, blocks, text, due.thread, **more)
        except SlackRefused as refused:
            if refused.error not in _TOO_LARGE:
                raise
            log.error("card_too_large", incident=due.incident, error=refused.error)
            return await self._slack.post(due.channel, None, text, due.thread, **more)

    async def _failed(self, due: Due, error: SlackError) -> None:
        now, undone, gone = self._store.now(), True, False
        wait = min(_FIRST_WAIT * 2 ** min(due.attempts, 8), _LONGEST_WAIT)
        if isinstance(error, SlackUnreachable):
            undone = error.undone
            wait = error.wait or wait
            if not undone:
                wait = max(wait, _LATE.total_seconds())
        elif isinstance(error, SlackRefused) and error.error in _GONE:
            gone, wait = due.ts is not None, 0.0
        async with self._store.transaction() as tx:
            again = now + timedelta(seconds=wait)
            await shown.not_shown(tx, due, error.said, again=again, undone=undone, gone=gone)

    async def _call(self, due: Due, loud: Sequence[Mapping[str, Any]]) -> None:
        """One post in the channel for what needs a person since the last one, within the budget."""
        fresh = [m for m in loud if m["id"] > due.told]
        if not fresh:
            return
        said = plainly(" · ".join(dict.fromkeys(m["subject"] for m in fresh)), 1_000)
        newest = max(m["id"] for m in fresh)
        values: dict[str, Any] = {"told": newest}
        async with self._store.transaction() as tx:
            if due.posts < POSTS.get(due.priority, 1):
                name = f"{due.incident}/{newest}"
                now = self._store.now()
                if await shown.queue(tx, CALL, name, due.channel, said, now, due.incident):
                    values["posts"] = due.posts + 1
            await tx.execute(update(cards).where(cards.c.id == due.id).values(values))

    def _channel(self, due: Due) -> str:
        return due.channel or self._slack.settings.channel_of(due.priority)


def _digest(drawn: Drawn | None) -> str:
    if drawn is None:
        return ""
    content = json.dumps([list(drawn.blocks), drawn.text], sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _with_note(blocks: Sequence[Mapping[str, Any]] | None) -> list[Mapping[str, Any]] | None:
    if not blocks:
        return None
    note = {"type": "context", "elements": [{"type": "plain_text", "text": _AGAIN.strip(" ·")}]}
    return [*blocks[:49], note]
