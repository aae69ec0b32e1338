"""`responder doctor`."""

import typer

from responder.cli.say import FAILED, Stop, put, table


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Check that what this runner needs is there and right; each fault comes with its remedy."""
    import asyncio  # noqa: PLC0415

    from responder.doctor import examine  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    found = asyncio.run(examine(read_settings()))
    if as_json:
        put([one.model_dump() for one in found])
    else:
        table(
            ("check", "", "found", "remedy"),
            [(one.name, one.state, one.found, one.remedy) for one in found],
            empty="nothing was checked",
        )
    bad = [one.name for one in found if one.state == "fail"]
    if bad:
        raise Stop(FAILED, f"{len(bad)} checks failed: {', '.join(bad)}")
