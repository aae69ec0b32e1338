"""How the command line speaks: data on standard output, talk on standard error, one line an error."""

import json
import os
import sys
from typing import Any

DONE, FAILED, USAGE, NOT_FOUND, DENIED, WAITING, UNAVAILABLE, UNVERIFIED = range(8)
INTERRUPTED = 130


class Stop(Exception):
    """End the command with this status and these words."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


def failed(error: BaseException) -> int:
    """Say what went wrong in one line; returns the exit status."""
    import typer  # noqa: PLC0415 - loaded by now

    from responder.errors import ConfigurationError, ResponderError  # noqa: PLC0415 - needs Temporal

    # Newer typers carry a click of their own, so the base of its errors is asked of typer.
    usage_error: Any = typer.BadParameter.mro()[2]
    match error:
        case Stop():
            talk(str(error))
            return error.status
        case typer.Exit():
            return int(error.exit_code)
        case typer.Abort() | KeyboardInterrupt():
            talk("interrupted")
            return INTERRUPTED
        case _ if isinstance(error, usage_error):
            show = getattr(error, "show", None)
            if callable(show):
                show(sys.stderr)
            return USAGE
        case ConfigurationError(faults=faults):
            talk("the settings cannot be used:\n" + "\n".join(f"  {fault}" for fault in faults))
            return USAGE
        case ResponderError():
            talk(getattr(error, "message", str(error)))
            return FAILED
        case BrokenPipeError():
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return FAILED
    if os.environ.get("RESPONDER_TRACEBACK"):
        raise error
    talk(
        f"{type(error).__name__}: {error}\n\nhint: RESPONDER_TRACEBACK=1 shows where; this is a bug"
    )
    return FAILED


def talk(text: str) -> None:
    """Words for the person."""
    sys.stderr.write(text.rstrip() + "\n")


def put(data: Any) -> None:  # noqa: ANN401 - any JSON
    """Data for a machine."""
    sys.stdout.write(json.dumps(data, indent=1, ensure_ascii=False, default=str) + "\n")


def table(columns: tuple[str, ...], rows: list[tuple[Any, ...]], *, empty: str) -> None:
    """Rows for a person; alert text is shown as text, whatever marks it carries."""
    from rich.console import Console  # noqa: PLC0415 - only when a table is drawn
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    if not rows:
        talk(empty)
        return
    drawn = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        drawn.add_row(*(escape(clean(str("" if cell is None else cell))) for cell in row))
    Console(no_color=bool(os.environ.get("NO_COLOR")) or None).print(drawn)


def clean(text: str) -> str:
    """*text* without what could move a terminal's cursor."""
    return "".join(c if c.isprintable() or c == "\n" else f"\\x{ord(c):02x}" for c in text)
