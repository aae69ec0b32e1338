"""`responder replay`."""

from pathlib import Path

import typer

from responder.cli.say import FAILED, NOT_FOUND, Stop, put, talk


def register(parent: typer.Typer) -> None:
    """Add `replay`."""
    parent.command()(replay)


def replay(
    histories: Path = typer.Option(
        Path("tests/histories"), help="A folder of histories, as tests keep them: NAME.json."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON."),
) -> None:
    """Replay stored histories against the code as it is: what would break a running incident fails here."""
    import asyncio  # noqa: PLC0415

    from responder.authoring.replaying import replay_all  # noqa: PLC0415 - Temporal, and more
    from responder.catalogue import load_kinds  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    paths = sorted(histories.rglob("*.json"))
    if not paths:
        raise Stop(NOT_FOUND, f"{histories}: no history is there; expected files NAME.json")
    playbooks = load_kinds(read_settings()).playbooks.values()
    found = asyncio.run(replay_all(paths, list(playbooks)))
    if as_json:
        put(
            [
                {"history": str(one.path), "workflow": one.workflow, "said": one.said}
                for one in found
            ]
        )
    else:
        wide = max(len(one.path.stem) for one in found)
        for one in found:
            typer.echo(f"{one.path.stem:<{wide}}  {one.workflow}  {one.said or 'ok'}")
    broken = [one for one in found if one.said]
    if broken:
        raise Stop(
            FAILED,
            f"{len(broken)} of {len(found)} would break a run that is open; branch on "
            'workflow.patched("…"), or let those runs end first: responder incidents list',
        )
    if not as_json:
        talk(f"{len(found)} replayed, all as they were")
