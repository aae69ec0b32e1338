"""The demo's own processes, the shop and its visitors: ordered by line, heard by line."""

import asyncio
import json
import sys
import time
from collections import deque
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from responder.demo.cast import Visitor
from responder.errors import StateError

_KEPT = 1000
_LOOK_SECONDS = 0.02
_PROGRAMS = Path(__file__).parent / "programs"


class Actor:
    """One process. When the demo is gone its standard input ends, and then it ends as well."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._process: asyncio.subprocess.Process | None = None
        self._hearing: asyncio.Task[None] | None = None
        self.heard: deque[tuple[float, dict[str, Any]]] = deque(maxlen=_KEPT)
        """Its last reports, with this process's monotonic time."""

    async def start(self, *words: str, where: tuple[str, ...] = ()) -> None:
        """Run it *where* a prefix says."""
        program = str(_PROGRAMS / f"{self._program}.py")
        self._process = await asyncio.create_subprocess_exec(
            *where, sys.executable, "-I", "-S", program, *words, stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        self._hearing = asyncio.create_task(self._hear(self._process))
        while not self.heard:
            if self._hearing.done():
                raise StateError(f"the demo's {self._program} ended as soon as it was started")
            await asyncio.sleep(_LOOK_SECONDS)

    def order(self, line: str) -> None:
        """Tell it something."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(f"{line}\n".encode())

    async def close(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._hearing is not None:
            await self._hearing

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        while line := await process.stdout.readline():
            self.heard.append((time.monotonic(), json.loads(line)))


class Shop(Actor):
    """The web server."""

    def __init__(self) -> None:
        super().__init__("shop")

    @property
    def blocked(self) -> list[str]:
        """Whom it refuses, by its own last poll of the feed."""
        return next((said["blocked"] for _, said in reversed(self.heard) if "blocked" in said), [])


class Counted(NamedTuple):
    """How requests ended; a refusal by the shop is as good as silence."""

    answered: int
    unanswered: int


class Visitors(Actor):
    """The clients, and how their requests went."""

    def __init__(self) -> None:
        super().__init__("visitors")

    def counted(self, who: Visitor) -> Counted:
        """How all requests of *who* ended so far."""
        counts = self.heard[-1][1][who.name]
        return Counted(counts["answered"], counts["refused"] + counts["silent"])

    def rate(self, who: Visitor, seconds: float = 1.0) -> float:
        """Answered requests a second, over the last *seconds* that were reported."""
        if not self.heard:
            return 0.0
        (end, last) = self.heard[-1]
        earlier = [(at, said) for at, said in self.heard if at <= end - seconds + 0.1]
        (start, first) = earlier[-1] if earlier else self.heard[0]
        more = last[who.name]["answered"] - first[who.name]["answered"]
        return float(more / (end - start)) if end > start else 0.0

    def series(self, who: Visitor, slots: int, seconds: float = 0.5) -> list[float]:
        """Answered requests a second in each of the last *slots* spans, oldest first."""
        if not self.heard:
            return []
        end, marks = self.heard[-1][0], []
        for slot in range(slots, -1, -1):
            until = end - slot * seconds
            said = [said for at, said in self.heard if at <= until + 0.01]
            marks.append(said[-1][who.name]["answered"] if said else 0)
        return [(b - a) / seconds for a, b in pairwise(marks)]
