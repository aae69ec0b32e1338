"""`responder audit`."""

import typer

from responder.cli.say import UNVERIFIED, Stop, put, table, talk

app = typer.Typer(help="The record that everything can be proved by.", no_args_is_help=True)
JSON = typer.Option(False, "--json", help="Print JSON.")


@app.command()
def tail(
    last: int = typer.Option(20, help="How many entries."),
    incident: str = typer.Option("", help="Only those of this incident."),
    as_json: bool = JSON,
) -> None:
    """The last entries, oldest first."""
    from responder.cli.remote import ask  # noqa: PLC0415

    rows = ask(
        "GET", "/api/audit", params={"last": last} | ({"incident": incident} if incident else {})
    )
    if as_json:
        put(rows)
        return
    table(
        ("entry", "at (UTC)", "what", "who", "of", "more"),
        [
            (
                r["seq"],
                r["at"][11:19],
                r["kind"],
                r["actor"],
                r["subject"],
                ", ".join(f"{k}={v}" for k, v in r["data"].items())[:80],
            )
            for r in rows
        ],
        empty="the audit is empty",
    )


@app.command()
def verify(as_json: bool = JSON) -> None:
    """Check every link from the first entry to the last; names the first that does not hold."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", "/api/audit/verification")
    if as_json:
        put(found)
    if found["fault"]:
        raise Stop(UNVERIFIED, f"entry {found['fault']['seq']}: {found['fault']['why']}")
    talk(f"{found['held']} entries hold")
