"""A wiring whose resources kill their own worker at a named moment: `kill -9`, from inside."""

import os
import signal
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import JsonValue

from activities.wiring import Wiring
from responder.contract import Action, Found, Resource
from responder.inventory import Inventory
from responder.store import Store

FILE = "RESPONDER_TEST_FAULT"
_DURING_SECONDS = 0.015  # within the first of the round trips that a write over SSH makes


class Doomed:
    """A resource around which the process dies once, when the fault's file names the moment."""

    def __init__(self, inner: Resource[Any], flag: Path) -> None:
        self._inner = inner
        self._flag = flag
        self._written = False
        self.name = inner.name
        self.expires_by_itself = inner.expires_by_itself

    async def read(self) -> Found[Any]:
        """Read; may die before, or after a write of this object."""
        self._die_at("before read-back" if self._written else "before read")
        found = await self._inner.read()
        self._die_at("after read-back" if self._written else "after read")
        return found

    async def write(
        self, state: Any, *, key: str, until: datetime | None, tag: str, record: JsonValue
    ) -> None:
        """Write; may die before or after, when doing (a tag) or undoing (none)."""
        what = "write" if tag else "undo"
        self._die_at(f"before {what}")
        self._die_soon(f"during {what}")
        await self._inner.write(state, key=key, until=until, tag=tag, record=record)
        self._written = True
        self._die_at(f"after {what}")

    def _die_soon(self, moment: str) -> None:
        """Have the process killed by a thread while the write goes on."""
        try:
            if self._flag.read_text() != moment:
                return
            self._flag.unlink()
        except OSError:
            return
        killer = threading.Timer(_DURING_SECONDS, os.kill, (os.getpid(), signal.SIGKILL))
        killer.daemon = True
        killer.start()

    def _die_at(self, moment: str) -> None:
        try:
            if self._flag.read_text() != moment:
                return
            self._flag.unlink()
        except OSError:
            return
        os.kill(os.getpid(), signal.SIGKILL)


class FaultyWiring(Wiring):
    """The real providers, each of which may be the last thing its worker touched."""

    def __init__(self, inventory: Inventory, store: Store) -> None:
        super().__init__(inventory, store)
        self._flag = Path(os.environ[FILE])

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:
        """The real resources, doomed."""
        return {n: Doomed(r, self._flag) for n, r in super().resolve(action).items()}
