"""`responder people`."""

import typer

from responder.cli.say import put, talk

app = typer.Typer(help="Second factors and tokens.", no_args_is_help=True)


@app.command()
def enrol(name: str, as_json: bool = typer.Option(False, "--json", help="Print JSON.")) -> None:
    """Give somebody a new second factor (RFC 6238); what they had before ends."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/people/{name}/factor")
    if as_json:
        put(found)
        return
    talk("shown once; put it into an authenticator app:")
    typer.echo(found["otpauth"])


@app.command()
def token(name: str) -> None:
    """Give somebody a token of the API, good for 30 days."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/people/{name}/token")
    talk("shown once; set it as RESPONDER_TOKEN:")
    typer.echo(found["token"])
