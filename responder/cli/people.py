"""`responder people`."""

import typer

from responder.cli.say import NOT_FOUND, Stop, put, talk

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
def token(
    name: str,
    local: bool = typer.Option(
        False, help="Straight into the store: for the first one, by who may read the keys."
    ),
) -> None:
    """Give somebody a token of the API, good for 30 days."""
    if local:
        import asyncio  # noqa: PLC0415

        value = asyncio.run(_issue(name))
    else:
        from responder.cli.remote import ask  # noqa: PLC0415

        value = ask("POST", f"/api/people/{name}/token")["token"]
    talk("shown once; set it as RESPONDER_TOKEN:")
    typer.echo(value)


async def _issue(name: str) -> str:
    from responder.audit import Entry, append  # noqa: PLC0415
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415
    from responder.keys import Keys  # noqa: PLC0415
    from responder.people import tokens  # noqa: PLC0415
    from responder.people.token_keys import TokenKeys  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415
    from responder.store import Store  # noqa: PLC0415
    from responder.store.schema import check_schema  # noqa: PLC0415

    settings = read_settings()
    KeyRing.load(Keys(settings.state).store)  # who may read this may do anything already
    if settings.directory().find(name) is None:
        raise Stop(NOT_FOUND, f"the settings name no person {name}")
    store = Store(settings.database)
    try:
        await check_schema(store)
        value = await tokens.issue(store, TokenKeys(Keys(settings.state).tokens), name)
        async with store.transaction() as tx:
            await append(tx, store.now(), Entry(kind="token", actor="state folder", subject=name))
    finally:
        await store.close()
    return value
