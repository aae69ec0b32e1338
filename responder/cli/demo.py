"""`responder demo`."""

from enum import StrEnum
from pathlib import Path

import typer

from responder.cli.say import INTERRUPTED, USAGE, Stop


class Answers(StrEnum):
    """What the imagined people of a playbook's story say when they are asked."""

    APPROVE = "approve"
    DENY = "deny"
    NOBODY = "nobody"


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
    playbook: str = typer.Option(
        "", help="Tell the story of this playbook instead: its example alert, rehearsed."
    ),
    answers: Answers = typer.Option(
        Answers.APPROVE, help="With --playbook: what the imagined people say when they are asked."
    ),
) -> None:
    """
    A minute's story on real parts: an attack, a block, an approval, a kill, forgeries, proof.

    With --playbook, the story of that playbook's example alert: its steps, questions, plans and
    clocks until its leases are undone. That is a rehearsal: states and people in it are imagined.
    """
    import asyncio  # noqa: PLC0415
    import sys  # noqa: PLC0415
    import time  # noqa: PLC0415

    began = time.monotonic()
    if playbook:
        if keep or mode is not Enforcement.AUTO:
            raise Stop(USAGE, "--keep and --mode are of the story on real parts, not of --playbook")
        _tell_playbook(playbook, answers.value, picture, began)
        return
    if not yes and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise Stop(
            USAGE, "nobody can answer here: this is not a terminal\n\nhint: responder demo --yes"
        )
    from responder.demo import tell_story  # noqa: PLC0415

    try:
        asyncio.run(tell_story(yes=yes, picture=picture, keep=keep, mode=mode.value, began=began))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise Stop(INTERRUPTED, "interrupted; everything that was started has ended") from None


def _tell_playbook(name: str, answers: str, picture: Path | None, began: float) -> None:
    from responder.authoring.facts import playbook_named  # noqa: PLC0415 - Temporal, and more
    from responder.catalogue import load_kinds  # noqa: PLC0415
    from responder.demo.rehearsed import tell_playbook  # noqa: PLC0415
    from responder.demo.teller import Teller, open_console  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    kinds = load_kinds(read_settings())
    playbook = playbook_named(kinds, name)
    if playbook is None:
        known = ", ".join(sorted({one.answers for one in kinds.playbooks.values()}))
        raise Stop(USAGE, f"no playbook is called {name!r}; known: {known}")
    teller = Teller(open_console(), began=began)
    tell_playbook(playbook, teller, answers)
    if picture is not None:
        teller.save(picture)
