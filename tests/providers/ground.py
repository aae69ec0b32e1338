"""What the contract of blocking needs to know of an enforcement point: looking at it from outside."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from ipaddress import ip_network

import pytest

from responder.contract import Resource
from responder.incident import Network
from tests.lab.traffic import Held

ATTACKER = {False: ip_network("198.51.100.66"), True: ip_network("2001:db8:100::66")}


class Ground(ABC):
    """One enforcement point under test, and what can be seen and done behind its provider's back."""

    expires = True
    """Whether the point ends a block by itself."""

    @abstractmethod
    def block(self, network: Network) -> Resource[bool]:
        """The resource under test, as a resolver would make it: anew each time."""

    @abstractmethod
    async def dump(self) -> str:
        """All that the point holds, ours and everybody's, in a form in which two can be compared."""

    @abstractmethod
    async def place(self, network: Network) -> None:
        """Block *network* for ever, as somebody else would have done before us."""

    @abstractmethod
    async def silence(self) -> None:
        """Have the point answer nobody, so that what it holds cannot be known."""

    @abstractmethod
    async def mend(self) -> None:
        """Undo `silence`."""

    async def passes(self, *, v6: bool) -> bool | None:
        """Whether `ATTACKER` gets an answer; None where no packet can be sent to find out."""
        return None

    def hold(self, *, v6: bool, inward: bool) -> Held | None:
        """A connection with `ATTACKER` that keeps talking, from its side or ours; None as above."""
        return None

    async def handed_over(self) -> None:  # noqa: B027 - most points need nothing
        """Have happen what must for a write to be in force: the consumers of a feed poll it."""


# Opened anew for each test; what it needs beside itself (`lab`, a server) it asks of the request.
Opening = Callable[[pytest.FixtureRequest], AbstractAsyncContextManager[Ground]]
