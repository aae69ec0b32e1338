"""A small world to act on: enforcement points in memory that can be silent, slow, dead or lie."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from activities.block import Block
from activities.isolate import Filter, Isolate
from responder.contract import Action, Found, Lookup
from responder.errors import Unreachable
from responder.store.database import Clock

Hook = Callable[[], Awaitable[None] | None]


class Crash(BaseException):
    """The worker dies here: nothing after this line runs, not even an `except Exception`."""


@dataclass(frozen=True)
class Write:
    """One change that reached a point."""

    thing: str
    state: Any
    until: datetime | None
    key: str
    tag: str
    record: JsonValue = None


@dataclass
class Point:
    """One enforcement point: what it holds, what reached it, and what is wrong with it."""

    name: str
    clock: Clock
    expires_by_itself: bool = True
    down: bool = False
    lies: bool = False  # takes every write and changes nothing
    things: dict[str, tuple[Any, datetime | None]] = field(default_factory=dict)
    records: dict[str, JsonValue] = field(default_factory=dict)
    writes: list[Write] = field(default_factory=list)
    reads: int = 0
    # Called at the next read or write, then forgotten: raise, wait or change the world in them.
    before_read: list[Hook] = field(default_factory=list)
    after_read: list[Hook] = field(default_factory=list)
    before_write: list[Hook] = field(default_factory=list)
    after_write: list[Hook] = field(default_factory=list)

    def holds(self, thing: str, absent: object = False) -> object:  # noqa: FBT002 - most are blocks
        """What is there now, seen from outside."""
        state, until = self.things.get(thing, (absent, None))
        return absent if until is not None and until <= self.clock() else state

    def until(self, thing: str) -> datetime | None:
        """When the point itself will end it."""
        return self.things[thing][1] if thing in self.things else None


async def _call(hooks: list[Hook]) -> None:
    if hooks:
        result = hooks.pop(0)()
        if result is not None:
            await result


class Thing:
    """One thing at one point: what `verbs` read and write."""

    def __init__(self, point: Point, kind: str, thing: str, absent: object) -> None:
        self._point, self._thing, self._absent = point, thing, absent
        self.name = f"{kind}/{point.name}/{thing}"
        self.expires_by_itself = point.expires_by_itself

    async def read(self) -> Found[Any]:
        point = self._point
        await asyncio.sleep(0)
        await _call(point.before_read)
        if point.down:
            raise Unreachable(f"{point.name}: connection refused")
        point.reads += 1
        state = point.holds(self._thing, self._absent)
        expires = point.until(self._thing) if state != self._absent else None
        await _call(point.after_read)
        return Found(
            state=state,
            expires=expires if point.expires_by_itself else None,
            record=point.records.get(self._thing),
        )

    async def write(
        self, state: Any, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        point = self._point
        await _call(point.before_write)
        if point.down:
            raise Unreachable(f"{point.name}: connection refused")
        point.writes.append(Write(self._thing, state, until, key, tag, record))
        if not point.lies:
            point.things[self._thing] = (state, until if point.expires_by_itself else None)
        await _call(point.after_write)


class World:
    """Which points answer: all of them for a block, the host's own for an isolation."""

    def __init__(self, *points: Point) -> None:
        self.points = {point.name: point for point in points}
        self.hosts: dict[str, Point] = {}
        self.others: dict[str, Point] = {}
        self.answers: dict[str, Any] = {}

    def resolve(self, action: Action[Any]) -> Mapping[str, Thing]:
        match action:
            case Block(network=network):
                thing = str(network.network_address)
                return {n: Thing(p, "block", thing, False) for n, p in self.points.items()}
            case Isolate(host=host) if host in self.hosts:
                return {host: Thing(self.hosts[host], "isolate", host, Filter.OPEN)}
        if (point := self.others.get(type(action).__name__)) is not None:
            name = str(getattr(action, "thing"))  # noqa: B009 - a test's own action
            return {point.name: Thing(point, "label", name, "")}
        return {}

    async def answer(self, lookup: Lookup[Any]) -> Any:
        return self.answers[type(lookup).__name__]

    async def close(self) -> None:
        """Nothing is kept."""


def unreachable(said: str = "the answer was lost") -> Hook:
    """A hook that loses the line."""

    def lose() -> None:
        raise Unreachable(said)

    return lose


def crash() -> None:
    """A hook that kills the worker."""
    raise Crash


async def die() -> None:
    """Let what was begun beside the crash come to its end, so that no connection is left behind."""
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
