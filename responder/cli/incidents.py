"""`responder incidents`."""

import typer

from responder.cli.say import put, table, talk

app = typer.Typer(help="What is going on, and taking it.", no_args_is_help=True)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command("list")
def list_incidents(
    everything: bool = typer.Option(False, "--all", help="Closed ones as well."),
    as_json: bool = JSON,
) -> None:
    """The open incidents, most urgent first."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/incidents", params={"everything": everything})
    if as_json:
        put(rows)
        return
    table(
        ("incident", "", "status", "category", "about", "owner", "opened (UTC)"),
        [
            (
                r["id"],
                r["priority"],
                r["status"],
                r["category"],
                r["subject"],
                r["owner"],
                r["opened"][:19],
            )
            for r in rows
        ],
        empty="no open incidents",
    )


@app.command()
def show(incident: str, as_json: bool = JSON) -> None:
    """One incident: its clocks, plans, asks, leases and what was said."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/incidents/{incident}")
    if as_json:
        put(found)
        return
    from responder.cli.card import card  # noqa: PLC0415

    card(found)


@app.command()
def ack(incident: str) -> None:
    """Take it: you own it, and the acknowledge clock stops."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/incidents/{incident}/ack")
    talk(f"{incident} is {found['owner']}'s")


@app.command()
def close(
    incident: str,
    false_positive: bool = typer.Option(False, help="It was none: end what it holds."),
    code: str = typer.Option("", help="A code of your second factor, where that is needed."),
) -> None:
    """Close it. Leases go on to their end, unless it was a false positive."""
    from responder.cli.remote import ask  # noqa: PLC0415

    resolution = "false_positive" if false_positive else "resolved"
    found = ask(
        "POST", f"/api/incidents/{incident}/close", json={"resolution": resolution, "code": code}
    )
    talk(
        f"{incident} is closed: {resolution}"
        + (f"; ending {', '.join(found['ended'])}" if found["ended"] else "")
    )
