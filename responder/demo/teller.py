"""How the story is told: chapters, claims that were checked, and what a person is asked."""

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import TypeVar

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.terminal_theme import MONOKAI
from rich.text import Text

from responder.errors import ResponderError

WIDTH = 100
_BARS = " ▁▂▃▄▅▆▇█"
_LOOK_SECONDS = 0.05
_FROM_ELSEWHERE = re.compile(r"@font-face \{.*?\}\s*|<!--.*?-->\s*", re.DOTALL)

Found = TypeVar("Found")


class Untrue(ResponderError):
    """The demo claimed something, looked, and found something else."""

    def __init__(self, claim: str, expected: object, found: object) -> None:
        super().__init__(f"NOT TRUE: {claim}\n  expected  {expected}\n  found     {found}")


class Teller:
    """One story, on the terminal and in memory."""

    def __init__(self, console: Console, *, began: float | None = None) -> None:
        self.began = time.monotonic() if began is None else began
        self.live = console.is_terminal
        self.console = console
        self._kept = Console(
            file=StringIO(), record=True, width=WIDTH, force_terminal=True, color_system="truecolor"
        )
        self._chapters = 0
        self.claims = 0
        """How many claims were made and found true."""

    @property
    def seconds(self) -> float:
        """Since the demo was started."""
        return time.monotonic() - self.began

    def show(self, *lines: RenderableType) -> None:
        """Print."""
        for line in lines:
            self.console.print(line, highlight=False)
            self._kept.print(line, highlight=False)

    def chapter(self, title: str) -> None:
        """Begin the next part of the story."""
        self._chapters += 1
        at = f" {self.seconds:.1f} s"
        line = Text.assemble((f"{self._chapters}  ", "bold cyan"), (title, "bold"), " ")
        line.append("─" * max(self.console.width - line.cell_len - len(at), 3), "cyan")
        self.show("", line.append(at, "dim"))

    def say(self, text: str, style: str = "") -> None:
        """A sentence."""
        self._indented(2, Text(text, style=style))

    def quote(self, text: str) -> None:
        """Something as a program printed it."""
        self._indented(4, Text(text, style="cyan"))

    def claim(self, said: str, *, expected: object, found: object) -> None:
        """Say something that was checked. Raises `Untrue` if *found* is not what was *expected*."""
        if found != expected:
            raise Untrue(said, expected, found)
        self.claims += 1
        self.mark("✓", Text(said), "bold green")

    def mark(self, sign: str, text: Text, style: str) -> None:
        """A sentence with a sign before it; its further lines stay beside the sign."""
        grid = Table.grid(padding=(0, 1))
        grid.add_row(Text(sign, style=style), text)
        self._indented(2, grid)

    def rows(self, *rows: Sequence[RenderableType]) -> None:
        """Columns without lines around them."""
        grid = Table.grid(padding=(0, 2))
        for _ in rows[0]:
            grid.add_column(overflow="fold")
        for row in rows:
            grid.add_row(*row)
        self._indented(4, grid)

    @asynccontextmanager
    async def waiting(self, text: str) -> AsyncIterator[None]:
        """Show a person that something is under way; a file does not need to know."""
        if not self.live:
            yield
            return
        with self.console.status(Text(text, style="dim"), spinner="dots"):
            yield

    async def until(
        self, what: str, look: Callable[[], Awaitable[Found | None]], *, seconds: float = 90.0
    ) -> Found:
        """Wait for *look* to find something. Raises `Untrue` if it does not in time."""
        give_up = time.monotonic() + seconds
        async with self.waiting(f"{what} …"):
            while not (found := await look()):
                if time.monotonic() > give_up:
                    raise Untrue(what, f"within {seconds:g} s", f"not even then ({found!r})")
                await asyncio.sleep(_LOOK_SECONDS)
        return found

    def _indented(self, by: int, what: RenderableType) -> None:
        self.show(Padding(what, (0, 0, 0, by), expand=False))

    def save(self, picture: Path) -> None:
        """Everything that was shown, as an SVG that loads nothing from anywhere."""
        svg = self._kept.export_svg(title="responder demo", theme=MONOKAI, clear=False)
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_text(_FROM_ELSEWHERE.sub("", svg))


def bars(values: Sequence[float], most: float, style: str) -> Text:
    """A row of bars, one for each value."""
    line = Text()
    for value in values:
        height = min(max(round(value / most * 8), 1 if value else 0), 8)
        line.append(_BARS[height] if height else "·", style=style if height else "dim")
    return line


def open_console() -> Console:
    """The person's terminal, or whatever standard output is."""
    no_color = bool(os.environ.get("NO_COLOR")) or None
    seen = Console(no_color=no_color)
    wide = min(seen.width, WIDTH) if seen.is_terminal else WIDTH
    return Console(no_color=no_color, width=wide)


async def key(choices: str) -> str:
    """The next key among *choices* that is pressed."""
    import termios  # noqa: PLC0415 - not on every system, and only with a person
    import tty  # noqa: PLC0415

    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin, termios.TCSANOW)  # what is typed already counts
    try:
        while True:
            for pressed in (await _typed()).decode(errors="replace").lower():
                if pressed in choices:
                    return pressed
    finally:
        with suppress(termios.error):  # the terminal may be gone
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


async def line() -> str:
    """The next line that is typed."""
    return (await _typed()).decode(errors="replace").strip()


async def _typed() -> bytes:
    loop = asyncio.get_running_loop()
    ready: asyncio.Future[None] = loop.create_future()
    stdin = sys.stdin.fileno()

    def wake() -> None:
        if not ready.done():
            ready.set_result(None)

    loop.add_reader(stdin, wake)
    try:
        await ready
    finally:
        loop.remove_reader(stdin)
    if not (typed := os.read(stdin, 1024)):
        raise Untrue("a person answers", "a key", "the end of the terminal")
    return typed
