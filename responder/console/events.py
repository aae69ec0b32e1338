"""What changed, as it changes: server-sent events from one poll for everybody who listens."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Final, Self

from sqlalchemy import func, select
from starlette.responses import Response, StreamingResponse

from responder.api.route import Call, Problem
from responder.console.pages import Pages
from responder.people.person import Permission
from responder.store import Store
from responder.store.chat import card_keeper
from responder.store.tables import asks, incidents, messages, resources, settings_now

routes = Pages()

_EVERY_SECONDS: Final = 1.0
_BEAT_SECONDS: Final = 10.0
# A listener comes again after this long, and whether it is still signed in is asked anew.
_LONGEST_SECONDS: Final = 120.0
_MOST_LISTENERS: Final = 200


class Pulse:
    """The state of the board in a few figures, read once a second however many listen."""

    def __init__(
        self,
        store: Store,
        also: Callable[[], Awaitable[str]],
        *,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._store = store
        self._also = also  # what is not in the store: whether Temporal and a worker answer
        self._every = every
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Condition()
        self.listeners = 0
        self.polls = 0
        self.mark = ""
        self.incidents: dict[str, int] = {}

    async def wait(self, mark: str, seconds: float) -> str:
        """The mark as soon as it is another than *mark*; the same one after *seconds*."""
        async with self._changed:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._changed.wait_for(lambda: self.mark not in ("", mark))
            return self.mark

    def __enter__(self) -> Self:
        self.listeners += 1
        if self._task is None:
            self._task = asyncio.create_task(self._beat(), name="pulse")
        return self

    def __exit__(self, *_: object) -> None:
        self.listeners -= 1
        if self.listeners == 0 and self._task is not None:
            self._task.cancel()
            self._task, self.mark = None, ""

    async def _beat(self) -> None:
        while True:
            with suppress(Exception):  # the store is away: what it says next is news
                found = await self._look()
                if found != self.mark:
                    async with self._changed:
                        self.mark = found
                        self._changed.notify_all()
            await asyncio.sleep(self._every)

    async def _look(self) -> str:
        self.polls += 1
        async with self._store.reading() as tx:
            rows = (
                await tx.execute(
                    select(incidents.c.id, incidents.c.revision, incidents.c.status).where(
                        incidents.c.closed.is_(None)
                    )
                )
            ).all()
            counts = [
                (await tx.execute(query)).scalar_one()
                for query in (
                    select(func.count()).where(
                        asks.c.state == "open", asks.c.expires > self._store.now()
                    ),
                    select(func.count()).where(
                        resources.c.state == "held", resources.c.outcome == "verified"
                    ),
                    select(func.count()).where(resources.c.state == "lifting"),
                    select(func.max(messages.c.id)),
                    select(func.max(settings_now.c.changed)),
                    select(func.max(card_keeper.c.down)),
                )
            ]
        self.incidents = {row.id: row.revision for row in rows}
        found = json.dumps([sorted(map(list, rows)), counts, await self._also()], default=str)
        return hashlib.sha256(found.encode()).hexdigest()[:16]


@routes.get("/events", Permission.INCIDENTS_READ)
async def events(call: Call) -> Response:
    """`changed` when there is something new to see, `beat` every ten seconds with the server's time."""
    from responder.console.shell import room  # noqa: PLC0415 - the shell holds the pulse

    pulse = room(call.request).pulse
    if pulse.listeners >= _MOST_LISTENERS:
        raise Problem(503, f"{_MOST_LISTENERS} pages listen already; this one looks by itself")
    stopping: Callable[[], bool] = getattr(call.request.app.state, "stopping", lambda: False)
    seen = call.request.headers.get("last-event-id", "")
    kept = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(
        _stream(pulse, call.served.store, seen, stopping),
        media_type="text/event-stream",
        headers=kept,
    )


async def _stream(
    pulse: Pulse, store: Store, seen: str, stopping: Callable[[], bool]
) -> AsyncIterator[str]:
    loop = asyncio.get_running_loop()
    until, beat = loop.time() + _LONGEST_SECONDS, 0.0
    with pulse:
        yield "retry: 2000\n\n"
        while loop.time() < until and not stopping():
            mark = await pulse.wait(seen, 1.0)
            news = mark not in ("", seen)
            if news and seen:
                yield _event("changed", store, mark)
            elif loop.time() >= beat or news:
                yield _event("beat", store, mark)
                beat = loop.time() + _BEAT_SECONDS
            seen = mark or seen


def _event(name: str, store: Store, mark: str) -> str:
    said = json.dumps({"now": store.now().isoformat()})
    identity = f"id: {mark}\n" if mark else ""
    return f"event: {name}\n{identity}data: {said}\n\n"
