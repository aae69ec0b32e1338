"""`responder simulate`."""

from pathlib import Path
from typing import Any

import typer

from responder.cli.say import FAILED, NOT_FOUND, Stop, clean, put, table, talk

_ANSWERS = ("approve", "deny", "nobody")
_COLOURS = {
    "asked": "yellow", "decided": "yellow", "intent": "dark_orange", "outcome": "dark_orange",
    "undo": "dark_orange", "undone": "green", "contained": "green", "said": "magenta",
    "announced": "magenta", "looked up": "blue", "planned": "blue", "breached": "red",
    "escalated": "red", "unanswered": "red", "update missed": "red", "run ended": "green",
}  # fmt: skip
TIMES = "\N{MULTIPLICATION SIGN}"
_LOUD = frozenset({"run", "asked", "outcome", "contained", "undone", "breached"})


def register(parent: typer.Typer) -> None:
    """Add `simulate`."""
    parent.command()(simulate)


def simulate(
    alert: Path = typer.Option(
        ..., help="A file with one delivery's body, as its sender writes it."
    ),
    source: str = typer.Option("generic", help="A configured source, or a kind such as wazuh."),
    playbook: str = typer.Option(
        "", help="The playbook, instead of the one that triage would choose."
    ),
    priority: str = typer.Option("", help="The priority, instead of triage's: P1 to P4."),
    answers: str = typer.Option("approve", help=f"What people say to asks: {', '.join(_ANSWERS)}."),
    time: str = typer.Option("72h", "--for", help="How much time passes: 90m, 72h, 5d."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Run an alert's whole story in seconds, on a world that is only imagined. Nothing can be changed by it."""
    from responder.cli.times import length  # noqa: PLC0415
    from responder.rehearsal.wish import Unknown, rehearsed, wish_of  # noqa: PLC0415 - Temporal, and more

    if answers not in _ANSWERS:
        raise typer.BadParameter(f"expected one of {', '.join(_ANSWERS)}, found {answers!r}")
    if not alert.is_file():
        raise Stop(NOT_FOUND, f"{alert}: there is no such file")
    wish = wish_of(alert.read_bytes(), source, playbook, priority, answers, length(time))
    try:
        found = rehearsed(wish)
    except Unknown as error:
        raise Stop(NOT_FOUND, str(error)) from error
    if as_json:
        put(found)
        return
    if wish["imagined"]:
        talk(f"the settings have no hosts; imagined as ours: {', '.join(wish['imagined'])}")
    _tell(found)
    if not found["incidents"]:
        raise Stop(FAILED, "triage dismissed it: no incident was opened")


def _tell(found: dict[str, Any]) -> None:
    from responder.rehearsal.wish import after  # noqa: PLC0415

    console = _console()
    for line in found["lines"]:
        again = (
            f"  ({TIMES}{line['times']}, last {after(line['last'])})" if line["times"] > 1 else ""
        )
        console.print(
            _part(f"{after(line['after']):>12}  ", "dim"),
            _part(f"{line['kind']:<14} ", _COLOURS.get(line["kind"], "")),
            _part(line["words"], "bold" if line["kind"] in _LOUD else ""),
            _part(again, "dim"),
            sep="",
        )
        for detail in line["details"]:
            console.print(_part(f"{'':>12}  {'':<14}   {detail}", "dim"))
    typer.echo("")
    for one in found["incidents"]:
        talk(
            f"{one['priority']} {one['id']} about {one['subject']}: {one['status']}, {one['asks']} asked"
        )
        table(
            ("held", "what", "until (UTC)", "ended by"),
            [
                (h["resource"], h["summary"], (h["until"] or "")[:19], h["ended_by"])
                for h in one["holds"]
            ],
            empty="nothing was held",
        )


def _console() -> Any:  # noqa: ANN401 - rich's, loaded late
    """Colours at a terminal; elsewhere the plain lines, as long as they are."""
    import os  # noqa: PLC0415
    import sys  # noqa: PLC0415

    from rich.console import Console  # noqa: PLC0415 - only when a story is told

    plain = bool(os.environ.get("NO_COLOR")) or not sys.stdout.isatty()
    return Console(no_color=plain or None, soft_wrap=True, highlight=False, markup=False)


def _part(text: str, style: str) -> Any:  # noqa: ANN401 - rich's
    from rich.text import Text  # noqa: PLC0415

    return Text(clean(text), style=style)
