"""`responder incidents`."""

import typer

from responder.cli import steering
from responder.cli.say import WAITING, Stop, put, table, talk

app = typer.Typer(help="What is going on, and taking it.", no_args_is_help=True)
steering.register(app)
JSON = typer.Option(False, "--json", help="Print JSON.")
FALSE_POSITIVE = typer.Option(False, help="It was none: end what it holds.")
CODE = typer.Option("", help="A code of your second factor, where that is needed.")


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
    """One incident: its clocks, plans, asks, leases, reports and notes."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/incidents/{incident}")
    if as_json:
        put(found)
        return
    from responder.cli.card import card  # noqa: PLC0415

    card(found)


@app.command()
def watch(
    incident: str = typer.Argument("", help="One incident; none: all that are open."),
    every: str = typer.Option("1s", help="How often to ask, such as 1s."),
) -> None:
    """Incidents with their clocks ticking, until Ctrl-C; not at a terminal, a line for each change."""
    from responder.cli.times import length  # noqa: PLC0415
    from responder.cli.watching import watch as go_on  # noqa: PLC0415

    go_on(incident, max(length(every).total_seconds(), 0.2))


@app.command()
def resolve(incident: str, false_positive: bool = FALSE_POSITIVE, code: str = CODE) -> None:
    """Close it. Leases go on to their end, unless it was a false positive."""
    from responder.cli.remote import ask  # noqa: PLC0415

    resolution = "false_positive" if false_positive else "resolved"
    found = ask(
        "POST", f"/api/incidents/{incident}/close", json={"resolution": resolution, "code": code}
    )
    talk(f"{incident} is closed: {resolution}")
    if not found["leases"]:
        return
    from responder.cli.leases import say_what_came  # noqa: PLC0415 - only where something was held

    say_what_came(found)
    if found["ask"]["state"] == "open":
        raise Stop(
            WAITING, f"what it holds ends then: responder approvals show {found['ask']['id']}"
        )


@app.command()
def close(incident: str, false_positive: bool = FALSE_POSITIVE, code: str = CODE) -> None:
    """The same as `resolve`."""
    resolve(incident, false_positive=false_positive, code=code)
