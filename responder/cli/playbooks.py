"""`responder playbooks`: what there is, and the tools of who writes them."""

from pathlib import Path
from typing import Any

import typer

from responder.cli.say import FAILED, NOT_FOUND, USAGE, Stop, put, table, talk

app = typer.Typer(
    help="What answers which alerts; begin, check and draw a playbook.", no_args_is_help=True
)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command("list")
def list_playbooks(as_json: bool = JSON) -> None:
    """Every playbook: what it answers, at which priorities, and what it says of itself."""
    from responder.authoring.facts import brief  # noqa: PLC0415 - Temporal, and more

    rows = [brief(one) for one in _kinds().playbooks.values()]
    if as_json:
        put(rows)
        return
    table(
        ("playbook", "answers", "at", "what it does"),
        [
            (r["name"], r["answers"], " ".join(r["priorities"]), r["says"])
            for r in sorted(rows, key=lambda row: (row["answers"], row["priorities"]))
        ],
        empty="this runner knows no playbook",
    )


@app.command()
def show(name: str, as_json: bool = JSON) -> None:
    """One playbook: its actions with tier, permissions and technique, and what it will ask people."""
    from responder.authoring.facts import whole  # noqa: PLC0415

    kinds, playbook = _found(name)
    found = whole(kinds, playbook)
    if as_json:
        put(found)
        return
    _show(found)


@app.command()
def lint(
    files: list[Path] = typer.Argument(None, help="Files or folders; none: every playbook."),
    as_json: bool = JSON,
) -> None:
    """
    Find in the text what would go wrong later: replays that differ, leases forgotten, evidence lost.

    Nothing is executed. A line with `# lint: PB009 why` waives that rule there.
    """
    from responder.authoring.code import Code, kinds_of  # noqa: PLC0415
    from responder.authoring.lint import lint as found_in  # noqa: PLC0415

    kinds = _kinds()
    paths = files or [Code.of(one).path for one in kinds.playbooks.values()]
    found = found_in(map(_from_here, paths), kinds_of(kinds.actions, kinds.lookups))
    if as_json:
        put([vars(one) for one in found])
    else:
        for one in found:
            typer.echo(str(one))
    if found:
        raise Stop(FAILED, f"{len(found)} found; docs/reference/lint.md says why each matters")
    if not as_json:
        talk(f"{len(list(paths))} looked at, nothing found")


@app.command()
def graph(
    name: str,
    mermaid: bool = typer.Option(False, "--mermaid", help="Mermaid text; what is printed anyway."),
    as_svg: bool = typer.Option(False, "--svg", help="A picture: SVG."),
    incident: str = typer.Option("", help="Lay over it what this incident went through."),
) -> None:
    """Draw a playbook from its code: steps, branches, questions, clocks and leases. Nothing is executed."""
    from responder.authoring.facts import graph_of  # noqa: PLC0415
    from responder.authoring.mermaid import mermaid as as_text  # noqa: PLC0415
    from responder.authoring.overlay import overlay  # noqa: PLC0415
    from responder.authoring.svg import svg  # noqa: PLC0415

    if mermaid and as_svg:
        raise Stop(USAGE, "expected --mermaid or --svg, found both")
    kinds, playbook = _found(name)
    drawn = graph_of(kinds, playbook)
    if incident:
        from responder.cli.remote import ask  # noqa: PLC0415

        if not overlay(drawn, ask("GET", f"/api/incidents/{incident}")):
            raise Stop(NOT_FOUND, f"{incident} has no run of {playbook.__name__}")
    typer.echo(svg(drawn) if as_svg else as_text(drawn), nl=False)


@app.command()
def new(
    name: str = typer.Argument(help="What it answers, in small letters: `lost_laptop`."),
    folder: Path = typer.Option(Path(), "--in", help="Where to write; it is made if need be."),
) -> None:
    """Begin a playbook: its file, its test, an example alert and its page. Green at once."""
    from responder.authoring.beginning import begin, next_steps  # noqa: PLC0415

    written = begin(name, folder)
    for path in written:
        typer.echo(str(path))
    talk(next_steps(name, folder))


def _kinds() -> Any:  # noqa: ANN401 - loaded late
    from responder.catalogue import load_kinds  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    return load_kinds(read_settings())


def _found(name: str) -> tuple[Any, Any]:
    from responder.authoring.facts import playbook_named  # noqa: PLC0415

    kinds = _kinds()
    playbook = playbook_named(kinds, name)
    if playbook is None:
        known = ", ".join(sorted(kinds.playbooks))
        raise Stop(NOT_FOUND, f"no playbook is called {name!r}; known: {known}")
    return kinds, playbook


def _from_here(path: Path) -> Path:
    """The path as a person standing here would write it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _within(row: dict[str, Any]) -> str:
    seconds = row["contain_within_seconds"]
    return "its priority's clock" if seconds is None else _span(seconds)


def _span(seconds: float) -> str:
    from datetime import timedelta  # noqa: PLC0415 - only when something is shown

    from responder.authoring.wording import span  # noqa: PLC0415

    return span(timedelta(seconds=seconds))


def _show(found: dict[str, Any]) -> None:
    typer.echo(f"{found['name']} answers {found['answers']} at {' '.join(found['priorities'])}")
    typer.echo(f"{found['about']}\n{found['doc']}\n")
    typer.echo(f"contains within: {_within(found)}")
    typer.echo(f"ATT&CK: {' '.join(found['attack']) or 'none named'}")
    typer.echo(f"looks up: {', '.join(found['lookups']) or 'nothing'}\n")
    table(
        ("action", "tier", "D3FEND", "held", "its providers must be allowed"),
        [
            (a["name"], a["tier"], a["d3fend"] or "-", _held(a), "\n".join(a["permissions"]))
            for a in found["actions"]
        ],
        empty="it changes nothing",
    )
    typer.echo("")
    for ask in found["asks"]:
        typer.echo(f"asks {ask['tier']} for {', '.join(ask['actions'])}: {ask['needs']}")
    if not found["asks"]:
        typer.echo("asks nobody, unless policy raises a tier")


def _held(action: dict[str, Any]) -> str:
    if not action["reversible"]:
        return "once"
    seconds = action["lasts_seconds"]
    return "as the playbook says" if seconds is None else _span(seconds)
