"""From what Slack sends to the one who answers it: once, in the background, after it was acknowledged."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete

from responder.slack.client import Slack
from responder.slack.errors import SlackError
from responder.slack.heard import Heard
from responder.store import Store
from responder.store.chat import heard as heard_before
from responder.store.rows import insert_new

log = structlog.get_logger(__name__)

Answer = Callable[[Heard], Awaitable[None]]
_REMEMBERED = timedelta(hours=24)
_FORGET_EVERY = timedelta(minutes=10)
_AT_ONCE = 20
_MOST_WAITING = 500


class Hearing:
    """
    Takes what is proved to come from Slack; at most twenty are answered at once.

    `take` returns at once. What Slack repeats, over whichever way and to whichever process, is
    answered once; what this process had acknowledged and not begun when it died is lost, and the
    person sees that nothing happened.
    """

    def __init__(self, store: Store, slack: Slack, answer: Answer) -> None:
        self._store = store
        self._slack = slack
        self._answer = answer
        self._gate = asyncio.Semaphore(_AT_ONCE)
        self._work: set[asyncio.Task[None]] = set()
        self._forgotten = store.now()

    def stranger(self, heard: Heard) -> str | None:
        """Why *heard* is not for us: of another app, or done in another workspace; None: it is for us."""
        settings = self._slack.settings
        if heard.app != settings.app:
            return (
                f"this is app {settings.app}, and that was done with app {heard.app or 'unknown'}"
            )
        found = _workspace(heard.payload)
        grid = settings.enterprise and heard.enterprise == settings.enterprise
        if found != settings.team and not grid:
            return f"this app answers in workspace {settings.team} only, and that was done in {found or 'none'}"
        return None

    def take(self, heard: Heard) -> None:
        """Have it answered."""
        if len(self._work) >= _MOST_WAITING:
            log.error("slack_too_much_at_once", dropped=heard.kind, waiting=len(self._work))
            return
        task = asyncio.create_task(self._take(heard), name=f"slack {heard.kind}")
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def hear(self, heard: Heard) -> None:
        """Have it answered: `take`, for who calls only what is asynchronous."""
        self.take(heard)

    async def settled(self) -> None:
        """Wait until everything that was taken is answered."""
        while self._work:
            await asyncio.gather(*self._work, return_exceptions=True)

    async def close(self) -> None:
        """Give what is being answered two seconds to end."""
        if self._work:
            _, late = await asyncio.wait(self._work, timeout=2)
            for task in late:
                task.cancel()

    async def _take(self, heard: Heard) -> None:
        async with self._gate:
            try:
                if not await self._new(heard):
                    log.info("slack_repeated", kind=heard.kind, by=heard.user)
                elif (said := self.stranger(heard)) is not None:
                    await self._refuse(heard, said)
                else:
                    await self._answer(heard)
            except Exception as error:  # noqa: BLE001 - one fault must not end the hearing
                found = f"{type(error).__name__}: {error}"[:500]
                log.error("slack_not_answered", kind=heard.kind, by=heard.user, error=found)

    async def _new(self, heard: Heard) -> bool:
        now = self._store.now()
        row = {"key": heard.key, "kind": heard.kind, "user": heard.user[:32], "at": now}
        async with self._store.transaction() as tx:
            if now - self._forgotten > _FORGET_EVERY:
                old = now - _REMEMBERED
                await tx.execute(delete(heard_before).where(heard_before.c.at < old))
                self._forgotten = now
            return await insert_new(tx, heard_before, row)

    async def _refuse(self, heard: Heard, said: str) -> None:
        log.warning("slack_stranger", by=heard.user, team=heard.team, app=heard.app)
        if heard.response_url:
            try:
                await self._slack.respond(heard.response_url, None, f"Nothing was done: {said}.")
            except SlackError as error:
                log.info("slack_stranger_not_told", said=error.said[:200])


def _workspace(payload: Mapping[str, Any]) -> str:
    team = payload.get("team")
    found = team.get("id") if isinstance(team, dict) else payload.get("team_id")
    return found if isinstance(found, str) else ""
