"""`responder demo`."""

from enum import StrEnum
from pathlib import Path

import typer

from responder.cli.say import INTERRUPTED, USAGE, Stop


class Enforcement(StrEnum):
    """Where the demo blocks: the best there is, its own firewall or nothing, or the feed."""

    AUTO = "auto"
    KERNEL = "kernel"
    FEED = "feed"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    *,
    yes: bool = typer.Option(False, "--yes", help="Approve without asking a person."),
    keep: bool = typer.Option(False, "--keep", help="Let everything run until Ctrl-C."),
    picture: Path | None = typer.Option(None, help="Keep the story as an SVG in this file."),
    mode: Enforcement = typer.Option(
        Enforcement.AUTO, help="Block in a kernel firewall of its own, or by the blocklist feed."
    ),
) -> None:
    """A minute's story on real parts: an attack, a block, an approval, a kill, forgeries, proof."""
    import asyncio  # noqa: PLC0415
    import sys  # noqa: PLC0415
    import time  # noqa: PLC0415

    began = time.monotonic()
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Stop(
            USAGE, "nobody can answer here: this is not a terminal\n\nhint: responder demo --yes"
        )
    from responder.demo import tell_story  # noqa: PLC0415

    try:
        asyncio.run(tell_story(yes=yes, picture=picture, keep=keep, mode=mode.value, began=began))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Stop(INTERRUPTED, "interrupted; everything that was started has ended") from None
