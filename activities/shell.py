"""What a shell promises: one command at a time, its words kept apart, its whole answer or `Unreachable`."""

from collections.abc import Sequence
from typing import Protocol

from responder.errors import Unreachable
from responder.incident import Frozen

COMMAND_SECONDS = 10.0
MOST_OUTPUT = 4 * 1024 * 1024  # bytes
CHUNK = 65536


class Completed(Frozen):
    """How a command ended."""

    status: int
    out: str
    err: str


class Shell(Protocol):
    """A place where commands run. Arguments are words, never a line to be split or expanded."""

    async def run(self, *words: str, stdin: str = "") -> Completed:
        """The command's end. Raises `Unreachable` if it cannot be known whether it ran."""
        ...

    async def close(self) -> None:
        """Let go of what is kept open; the next command opens it again."""
        ...


def first_line(said: Completed) -> str:
    """What a failed command complained of, in one line."""
    text: Sequence[str] = (said.err.strip() or said.out.strip()).splitlines()
    return text[0][:300] if text else f"exit status {said.status}, and no word why"


def check_size(size: int, program: str) -> None:
    """Raise `Unreachable` for an answer of more than 4 MiB: no command of ours says so much."""
    if size > MOST_OUTPUT:
        raise Unreachable(f"{program} printed more than {MOST_OUTPUT} bytes")
