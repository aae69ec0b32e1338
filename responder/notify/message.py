"""One message on its way to people, and what a channel says of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from responder.incident import Frozen


class Message(Frozen):
    """Words for people, and whom they are for."""

    id: int
    key: str
    incident: str | None
    audience: str
    subject: str
    body: str
    loud: bool
    made: datetime
    addressees: tuple[str, ...] | None = None

    @classmethod
    def of(cls, row: Mapping[Any, Any]) -> "Message":
        """The message that a row of the outbox holds."""
        return cls(**{name: row[name] for name in cls.model_fields})


class Undelivered(Exception):
    """The channel did not take it; *wait* seconds are asked for before it is tried again there."""

    def __init__(self, said: str, *, wait: float | None = None) -> None:
        super().__init__(said)
        self.said = said
        self.wait = wait


class Sender(Protocol):
    """One channel, ready to send."""

    async def send(self, message: Message, addresses: Sequence[str]) -> str:
        """
        Hand *message* over; returns the receipt: what the other side calls it.

        Sending the same message again must be recognisable to the other side as the same. Raises
        `Undelivered` when it was not taken.
        """
        ...
