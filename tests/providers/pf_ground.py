"""
pfctl in memory, as pfctl(8) and FreeBSD's own tests of pf tables show it to answer.

No pf can be had here: this proves that the provider asks what the manual describes and understands
what it shows, and nothing about a live pf. Its packets cannot be sent either.
"""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest

from activities.providers.pf import PfBlock
from activities.shell import Completed
from responder.errors import Unreachable
from responder.incident import Network
from tests.providers.ground import Ground

PFCTL = "/sbin/pfctl"
ENABLED = "Status: Enabled for 3 days 04:05:06           Debug: Urgent\n\n"
MAIN = 'scrub in all fragment reassemble\nanchor "responder" all\npass all flags S/SA keep state\n'
ANCHOR = (
    "block drop in quick from <responder> to any\nblock drop out quick from any to <responder>\n"
)
NO_TABLE = Completed(status=255, out="", err="pfctl: Table does not exist.\n")


class Pfctl:
    """A shell on which only pfctl is understood, and only the words that the provider may use."""

    def __init__(self) -> None:
        self.info, self.main, self.anchor = ENABLED, MAIN, ANCHOR
        self.entries: list[str] = []
        self.killed: list[tuple[str, ...]] = []
        self.silent = False

    async def run(self, *words: str, stdin: str = "") -> Completed:
        if self.silent:
            raise Unreachable("root@pf:22: no answer")
        match words[1:]:
            case ("-s", "info"):
                return Completed(status=0, out=self.info, err="")
            case ("-s", "rules"):
                return Completed(status=0, out=self.main, err="")
            case ("-a", "responder", "-s", "rules"):
                return Completed(status=0, out=self.anchor, err="")
            case ("-a", "responder", "-t", "responder", "-T", "show"):
                listed = "".join(f"   {entry}\n" for entry in sorted(self.entries))
                return Completed(status=0, out=listed, err="")
            case ("-a", "responder", "-t", "responder", "-T", "add", network):
                return self._counted("added", self._put(network))
            case ("-a", "responder", "-t", "responder", "-T", "delete", network):
                return self._counted("deleted", self._take(network))
            case ("-k", *_):
                self.killed.append(words[1:])
                return Completed(
                    status=0, out="", err="killed 1 states from 1 sources and 0 destinations\n"
                )
        return Completed(status=1, out="", err=f"usage: pfctl, not {words}\n")

    async def close(self) -> None:
        """Nothing is kept open."""

    def _counted(self, done: str, count: int) -> Completed:
        return Completed(status=0, out="", err=f"{count}/1 addresses {done}.\n")

    def _put(self, network: str) -> int:
        entry = shown(network)
        if entry in self.entries:
            return 0
        self.entries.append(entry)
        return 1

    def _take(self, network: str) -> int:
        entry = shown(network)
        if entry not in self.entries:
            return 0
        self.entries.remove(entry)
        return 1


def shown(network: str) -> str:
    """An entry as `-T show` writes it: one address without its prefix length."""
    held = ip_network(network)
    return str(held if held.num_addresses > 1 else held.network_address)


class RecordedShell:
    """Plays a transcript back: each command must be the next one, and gets the answer under it."""

    def __init__(self, transcript: Sequence[tuple[str, Completed]]) -> None:
        self._left: Iterator[tuple[str, Completed]] = iter(transcript)

    async def run(self, *words: str, stdin: str = "") -> Completed:
        expected, answer = next(self._left, ("nothing more", Completed(status=0, out="", err="")))
        assert " ".join(words) == expected
        return answer

    async def close(self) -> None:
        """Nothing is kept open."""

    def played(self) -> bool:
        """Whether the whole transcript was asked for."""
        return next(self._left, None) is None


class PfGround(Ground):
    """The table of a pf that is made of its manual."""

    expires = False

    def __init__(self) -> None:
        self.shell = Pfctl()

    def block(self, network: Network) -> PfBlock:
        return PfBlock(
            self.shell, network, point="point", anchor="responder", table="responder", pfctl=PFCTL
        )

    async def dump(self) -> str:
        return "\n".join(
            (self.shell.info, self.shell.main, self.shell.anchor, *sorted(self.shell.entries))
        )

    async def place(self, network: Network) -> None:
        self.shell.entries.append(shown(str(network)))

    async def silence(self) -> None:
        self.shell.silent = True

    async def mend(self) -> None:
        self.shell.silent = False


@asynccontextmanager
async def on_paper(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
    """The ground, opened."""
    yield PfGround()
