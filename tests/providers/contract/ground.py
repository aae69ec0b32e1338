"""What the one suite needs to know of a provider: what to ask of it, and how to look behind its back."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar

import pytest

from responder.contract import Action, Resource


class Row(StrEnum):
    """One promise of every provider; each is one test of the suite."""

    READ = "reading changes nothing and says the same twice"
    READ_BACK = "what is written is read back"
    TWICE = "writing twice is one effect"
    UNDO = "the undo leaves what was found, and is done once"
    BEFORE = "what somebody else had done before survives"
    SHARED = "two incidents on one thing lift with the last"
    DRIFT = "what somebody takes away meanwhile is put back"
    DRY_RUN = "a dry run is silent"
    REFUSED = "what policy refuses never reaches it"
    GUARD = "what must never be touched is refused by the provider itself"
    PARTIAL = "one silent point of two is said to be partial"
    SILENT = "a silent point is unknown, and is done when it answers"
    SILENT_UNDO = "a point that is silent at the undo is never taken for clear"


HELD = (Row.UNDO, Row.SHARED, Row.DRIFT, Row.SILENT_UNDO)
"""What only a change has that is held and given back."""


def not_held(why: str) -> dict[Row, str]:
    """What an action leaves out that is done once, and *why* it cannot be given back."""
    return dict.fromkeys(HELD, why)


class Ground(ABC):
    """One provider under the contract. What it leaves out, it leaves out with a reason."""

    provider: ClassVar[str]
    """Its module in `activities.providers`."""
    kind: ClassVar[type[Action[Any]]]
    """The action that it carries out here."""
    omits: ClassVar[Mapping[Row, str]] = {}

    action: Action[Any]
    """What is asked for, made by `open`."""

    @abstractmethod
    async def open(self, request: pytest.FixtureRequest) -> None:
        """Make the thing, as nobody has changed it."""

    async def close(self) -> None:  # noqa: B027 - an emulator forgets by itself
        """Leave nothing behind."""

    @abstractmethod
    def resource(self) -> Resource[Any]:
        """The resource under test, as a resolver would make it: anew each time."""

    @abstractmethod
    async def dump(self) -> object:
        """All that the point holds of the thing, read past the provider, without what moves alone."""

    @abstractmethod
    async def place(self) -> None:
        """Do what the action asks for, as somebody else would have done before us."""

    async def take_away(self) -> None:
        """Take what we did away, as somebody else would; where it is held, this must be there."""
        raise NotImplementedError

    @abstractmethod
    async def silence(self) -> None:
        """Have the point answer nobody, so that what it holds cannot be known."""

    @abstractmethod
    async def mend(self) -> None:
        """Undo `silence`."""

    async def forbidden(self) -> Resource[Any]:
        """A thing that the provider must refuse to touch, whoever asks."""
        raise NotImplementedError

    @classmethod
    def name(cls) -> str:
        """How the suite and the reference call it."""
        return f"{cls.provider}-{cls.kind.__name__}"
