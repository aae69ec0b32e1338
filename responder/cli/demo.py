"""`responder demo`."""

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(yes: bool = typer.Option(False, "--yes", help="Approve without asking a person.")) -> None:
    """A minute's story: a real alert, an attacker blocked, an isolation approved, kills and forgeries."""
    import asyncio  # noqa: PLC0415

    from responder.demo import tell_story  # noqa: PLC0415

    asyncio.run(tell_story(yes=yes))
