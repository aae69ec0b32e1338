"""
What an action promises, and the little that a provider must supply.

An action is one change to one thing. A provider can read that thing and write it. Preview,
drift, idempotency, proof and undo all follow from those two, and are written once, in `verbs`.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast

from pydantic import BaseModel, Field, JsonValue, TypeAdapter, ValidationError

from responder.incident import Frozen, Indicators
from responder.policy.tiers import Tier

State = TypeVar("State")
Result = TypeVar("Result")


class Found(Frozen, Generic[State]):
    """What reading a resource brought back. A failed read is `Unreachable`, never a `Found`."""

    state: State
    expires: datetime | None = Field(
        default=None, description="When the enforcement point itself will end this state; UTC."
    )
    record: JsonValue = Field(
        default=None,
        description="What stands there beside the state: all that is needed to put it back item by "
        "item, or the proof of what was made. The same for as long as nobody changes anything.",
    )


class Action(Frozen, Generic[State]):
    """One change to one thing, described well enough to preview, prove and reverse."""

    # An action that cannot be undone is done once: nothing holds it, no lease ends it, and it is
    # tried for `try_for` before people are told that it was not done.
    reversible: ClassVar[bool] = True
    recovers: ClassVar[bool] = False  # whoever it hits puts it right alone, as by signing in again
    try_for: ClassVar[timedelta] = timedelta(hours=1)
    longest: ClassVar[timedelta] = timedelta(minutes=5)  # that one attempt may take
    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = ()
    d3fend: ClassVar[str] = ""

    lasts: timedelta | None = Field(
        default=None, description="How long the change is held before it is undone."
    )

    def desired(self, before: State) -> State:
        """The state this action wants, given the state it finds. Pure."""
        raise NotImplementedError

    def lapsed(self, state: State) -> State:
        """What *state* becomes where a point's own expiry has passed. Pure; by default, itself."""
        return state

    def usual(self) -> State:
        """
        What is found where nothing is known: a rehearsal changes this. Pure.

        By default the first value of the state's type that this action would change. Raises
        `TypeError` where a type has no such value to be guessed.
        """
        for state in _imaginable(self.state()):
            if self.desired(state) != state:
                return cast("State", state)
        raise TypeError(
            f"{type(self).__name__} does not say what it usually finds.\n\n"
            "    def usual(self) -> ...: ..."
        )

    def touches(self) -> Indicators:
        """What the change is done to; policy judges by it."""
        raise NotImplementedError

    @classmethod
    def state(cls) -> TypeAdapter[State]:
        """How this action's state is written down and read back."""
        return cast("TypeAdapter[State]", _parameter_of(cls, Action))


class Lookup(Frozen, Generic[Result]):
    """A question a playbook may ask: it reads, and never changes, the world."""

    @classmethod
    def result(cls) -> TypeAdapter[Result]:
        """How this question's answer is written down and read back."""
        return cast("TypeAdapter[Result]", _parameter_of(cls, Lookup))


class Resource(Protocol[State]):
    """
    A thing at one enforcement point that has a state: all the I/O an action needs.

    `name` is what holds are counted on, such as `block/edge1/203.0.113.7`: two actions on the
    same thing must resolve to resources of one name and one type of state.
    """

    @property
    def name(self) -> str: ...

    @property
    def expires_by_itself(self) -> bool:
        """Whether the point ends a state at its `until` even if everything of ours is dead."""
        ...

    async def read(self) -> Found[State]:
        """What the point holds now. Raises `Unreachable` when that cannot be known."""
        ...

    async def write(
        self, state: State, *, key: str, until: datetime | None, tag: str, record: JsonValue
    ) -> None:
        """
        Bring the point to *state*, to end by itself at *until* where the point can do that.

        Must be idempotent: a retry with the same *key* leaves one effect. *tag* is a short text
        (the incident's number) to leave at the point for whoever looks there. *record* is that of
        the reading before the first hold; what is put back from it is put back item by item, and
        an item that somebody else changed meanwhile is left alone: raises `Drifted` naming it,
        after everything else was put back.
        """
        ...


class Provision(Protocol):
    """Which resources answer for an action, and who answers a lookup: the composition's `match`."""

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:
        """Every enforcement point that must carry *action*, by the point's name."""
        ...

    async def answer(self, lookup: Lookup[Any]) -> Any:  # noqa: ANN401 - typed by the lookup's bracket
        """The answer to *lookup*."""
        ...

    async def close(self) -> None:
        """Let go of kept connections."""
        ...


class Request(Frozen):
    """An action or a lookup on the wire: its kind and its parameters."""

    kind: str
    params: dict[str, JsonValue]

    @classmethod
    def of(cls, asked: BaseModel) -> "Request":
        """*asked*, ready to travel."""
        return cls(kind=type(asked).__name__, params=asked.model_dump(mode="json"))


def _imaginable(state: TypeAdapter[Any]) -> tuple[Any, ...]:
    """Values that a thing of this type may have, most ordinary first."""
    found = []
    for plain in (False, None, "", {}, *_members(state.json_schema())):
        with suppress(ValidationError):
            found.append(state.validate_python(plain, strict=isinstance(plain, bool)))
    return tuple(found)


def _members(schema: dict[str, Any]) -> list[Any]:
    return [*schema.get("enum", ())]


def _parameter_of(model: type[BaseModel], generic: type[BaseModel]) -> TypeAdapter[Any]:
    for base in model.__mro__:
        made = getattr(base, "__pydantic_generic_metadata__", {})
        if made.get("origin") is generic and made.get("args"):
            return TypeAdapter(made["args"][0])
    raise TypeError(
        f"{model.__name__} does not say what it reads.\n\n"
        f"    class {model.__name__}({generic.__name__}[bool]): ...\n\n"
        "The bracket is the type of the state, or of the answer."
    )
