"""A wiring that lets a worker read and nothing else: whatever would change something fails loudly."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from activities.providers import nftables
from activities.shell import Completed, Shell
from activities.wiring import Wiring
from responder.access import Access
from responder.contract import Action, Found, Resource

# What our providers read with, and how: anything else on an enforcement point is a change.
READS: tuple[tuple[str, ...], ...] = (
    ("/usr/sbin/nft", "get"),
    ("/usr/sbin/nft", "-j", "list"),
    ("ss", "-Htan"),
    ("sh", "-c", nftables._READ),
)


class ReadingShell:
    """A shell that runs the commands that read."""

    def __init__(self, inner: Shell) -> None:
        self._inner = inner

    async def run(self, *words: str, stdin: str = "") -> Completed:
        """Run *words* if they read."""
        if stdin or not any(words[: len(read)] == read for read in READS):
            raise AssertionError(f"a preview ran {words} with {stdin!r}")
        return await self._inner.run(*words)

    async def close(self) -> None:
        """Let go."""
        await self._inner.close()


class Reading:
    """A resource that cannot be written."""

    def __init__(self, inner: Resource[Any]) -> None:
        self._inner = inner
        self.name = inner.name
        self.expires_by_itself = inner.expires_by_itself

    async def read(self) -> Found[Any]:
        """Read."""
        return await self._inner.read()

    async def write(
        self, state: Any, *, key: str, until: datetime | None, tag: str, record: JsonValue
    ) -> None:
        """Never."""
        raise AssertionError(f"a preview wrote {state!r} to {self.name}")


class ReadOnlyWiring(Wiring):
    """The real providers, on shells that only read."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        opened = self._shells.open

        def reading(access: Access) -> Shell:
            return ReadingShell(opened(access))

        self._shells.open = reading  # type: ignore[method-assign]

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:
        """The real resources, unable to write."""
        return {point: Reading(one) for point, one in super().resolve(action).items()}
