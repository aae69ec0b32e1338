"""A world that is only imagined: enforcement points in memory, which can be silent or fail."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import JsonValue, TypeAdapter

from responder.contract import Action, Found, Lookup
from responder.errors import Refused, Unreachable
from responder.store.database import utc_now

Matches = Callable[[Action[Any]], bool]
# What a change is called, or how it is made, and not what it is done to.
_NOT_THE_THING = frozenset({"lasts", "mode", "incident", "waived", "before", "retention"})
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Written:
    """One change that was made in the imagination."""

    at: datetime
    point: str
    thing: str
    state: Any
    until: datetime | None


@dataclass
class Trouble:
    """What goes wrong for the actions that it matches, so many times."""

    matches: Matches
    said: str
    times: int
    reading: bool

    def strikes(self, action: Action[Any], *, reading: bool) -> bool:
        """Whether it happens now; one of `times` is used up."""
        if self.times == 0 or reading != self.reading or not self.matches(action):
            return False
        self.times -= 1
        return True


@dataclass
class Imagination:
    """What stands where, what will go wrong, and what was changed, in order."""

    clock: Callable[[], datetime]
    things: dict[str, tuple[Any, datetime | None]] = field(default_factory=dict)
    written: list[Written] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    notes: dict[str, JsonValue] = field(default_factory=dict)


class ImaginedThing:
    """One thing at one imagined point."""

    expires_by_itself = True

    def __init__(self, mind: Imagination, action: Action[Any], point: str, thing: str) -> None:
        self._mind, self._action, self._point, self._thing = mind, action, point, thing
        self.name = f"{thing.partition('/')[0]}/{point}/{thing.partition('/')[2]}"

    async def read(self) -> Found[Any]:
        """What stands there: what was written, what was told, or what is usual."""
        self._trouble(reading=True)
        state, until = self._mind.things.get(self.name, (None, None))
        if self.name not in self._mind.things or (until and until <= self._mind.clock()):
            return Found(state=self._action.usual())
        note = self._mind.notes.get(type(self._action).__name__)
        return Found(state=state, expires=until, record=note)

    async def write(
        self,
        state: Any,  # noqa: ANN401 - of the action's own type
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue,
    ) -> None:
        """Remember it."""
        self._trouble(reading=False)
        now = self._mind.clock()
        self._mind.things[self.name] = (state, until)
        self._mind.written.append(Written(now, self._point, self._thing, state, until))

    def _trouble(self, *, reading: bool) -> None:
        for trouble in self._mind.troubles:
            if trouble.strikes(self._action, reading=reading):
                raise Unreachable(f"{self._point}: {trouble.said}")


class ImaginedWorld:
    """The provision of a rehearsal: every action finds its things, every lookup what it was told."""

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self.mind = Imagination(clock)  # the rehearsal's own clock takes its place
        self._points: dict[str, tuple[str, ...]] = {}
        self._answers: dict[str, Any] = {}
        self._asked: list[Lookup[Any]] = []

    @property
    def written(self) -> Sequence[Written]:
        """Every change that was made, in order."""
        return tuple(self.mind.written)

    @property
    def asked(self) -> Sequence[Lookup[Any]]:
        """Every lookup that was asked, in order."""
        return tuple(self._asked)

    def has_points(self, kind: type[Action[Any]], *names: str) -> None:
        """Say at which points an action is carried out; one, called `imagined`, if this is not said."""
        self._points[kind.__name__] = names

    def holds(self, action: Action[Any], state: Any) -> None:  # noqa: ANN401 - of the action's own type
        """Say what *action* will find at each of its points."""
        for thing in self.resolve(action).values():
            self.mind.things[thing.name] = (state, None)

    def notes(self, kind: type[Action[Any]], record: JsonValue) -> None:
        """Say what a point notes beside the state once an action was done: the id of what was made."""
        self.mind.notes[kind.__name__] = record

    def answers(self, kind: type[Lookup[Any]], value: Any) -> None:  # noqa: ANN401 - or a function of the lookup
        """Say what a lookup will be told: a value, or a function that is given the lookup."""
        self._answers[kind.__name__] = value

    def fails(
        self,
        what: type[Action[Any]] | Matches,
        said: str = "connection refused",
        *,
        times: int = -1,
        reading: bool = False,
    ) -> None:
        """Have the points not answer for an action: *times* often, or always; writes, or reads."""
        matches = (lambda action: isinstance(action, what)) if isinstance(what, type) else what
        self.mind.troubles.append(Trouble(matches, said, times, reading))

    def state_of(self, action: Action[Any]) -> dict[str, Any]:
        """What stands at each point of *action* now."""
        now, found = self.mind.clock(), {}
        for point, thing in self.resolve(action).items():
            state, until = self.mind.things.get(thing.name, (action.usual(), None))
            found[point] = action.usual() if until and until <= now else state
        return found

    def resolve(self, action: Action[Any]) -> Mapping[str, ImaginedThing]:
        """Every imagined point that carries *action*."""
        points = self._points.get(type(action).__name__, ("imagined",))
        thing = thing_of(action)
        return {point: ImaginedThing(self.mind, action, point, thing) for point in points}

    async def answer(self, lookup: Lookup[Any]) -> Any:  # noqa: ANN401 - typed by the lookup's bracket
        """What it was told, or an empty answer of its type."""
        self._asked.append(lookup)
        kind = type(lookup).__name__
        if kind in self._answers:
            told = self._answers[kind]
            return told(lookup) if callable(told) else told
        return _empty(kind, lookup.result())

    async def close(self) -> None:
        """Nothing is kept."""


def thing_of(action: Action[Any]) -> str:
    """What *action* is done to: two actions on one thing, such as two versions of a key, are told apart."""
    state = type(_sample(action)).__name__
    kind = type(action).__name__ if state in ("bool", "NoneType", "str") else state
    values = action.model_dump(mode="json", exclude=set(_NOT_THE_THING))
    words = ":".join(str(value) for value in values.values() if value not in (None, "", [], ()))
    return f"{kind.lower()}/{re.sub(r'[^A-Za-z0-9_.:/-]+', '-', words)[:_LONGEST_NAME]}"


def _sample(action: Action[Any]) -> Any:  # noqa: ANN401 - of any type
    return action.usual()


def _empty(kind: str, result: TypeAdapter[Any]) -> Any:  # noqa: ANN401 - typed by the lookup's bracket
    nothings: tuple[Any, ...] = ([], {}, 0, "", None)
    for nothing in nothings:
        try:
            return result.validate_python(nothing)
        except ValueError:
            continue
    raise Refused(f"{kind}: a rehearsal does not know the answer; expected `answers({kind}, …)`")
