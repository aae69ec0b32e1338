"""`responder leases`."""

import typer

from responder.cli.say import put, table, talk

app = typer.Typer(help="What is contained, until when, and ending it early.", no_args_is_help=True)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command("list")
def list_leases(
    everything: bool = typer.Option(False, "--all", help="Ended ones as well."),
    as_json: bool = JSON,
) -> None:
    """Everything that is held."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask("GET", "/api/leases", params={"everything": everything})
    if as_json:
        put(rows)
        return
    table(
        ("resource", "incident", "held", "until (UTC)", "stands"),
        [
            (
                r["resource"],
                r["incident"],
                r["summary"],
                (r["until"] or "ended by a person")[:19],
                f"ended by {r['ended_by']}" if r["ended"] else f"{r['outcome']} {r['said']}",
            )
            for r in rows
        ],
        empty="nothing is held",
    )


@app.command()
def end(
    resource: str, code: str = typer.Option("", help="A code of your second factor, where needed.")
) -> None:
    """End every hold on a resource now; it is undone, and the undo is verified."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", "/api/leases/end", json={"resource": resource, "code": code})
    talk(f"ending {', '.join(found['resources'])}\n\nnext: responder leases list --all")
