"""`responder intake`."""

import typer

from responder.cli.say import UNVERIFIED, Stop, put, talk

app = typer.Typer(help="What came in, and what became of it.", no_args_is_help=True)


@app.command()
def count(as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Received = started + merged + dismissed + quarantined + waiting, counted in alerts."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", "/api/intake")
    if as_json:
        put(found)
    else:
        parts = " + ".join(
            f"{found[k]} {k}" for k in ("started", "merged", "dismissed", "quarantined", "waiting")
        )
        talk(f"{found['received']} received = {parts}")
    if found["missing"]:
        raise Stop(
            UNVERIFIED,
            f"{found['missing']} alerts are missing: this is a bug, and the audit knows more",
        )
