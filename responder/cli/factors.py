"""`responder people …`: seeing, adding and removing second factors."""

from typing import Any

import typer

from responder.cli.say import put, table, talk

CODE = typer.Option("", help="A code of your own authenticator app, if you have a second factor.")
BACKUP = typer.Option(
    "", "--backup-code", help="One of your own backup codes, in the code's place."
)
TICKET = typer.Option("", help="The ticket that an admin gave you, for yourself only.")
JSON = typer.Option(False, "--json", help="Print JSON.")

passkeys = typer.Typer(help="Passkeys; they are added in the console.", no_args_is_help=True)


def enrol(
    name: str,
    code: str = CODE,
    backup_code: str = BACKUP,
    ticket: str = TICKET,
    local: bool = typer.Option(
        False, help="Straight into the store: for who lost every factor, by who may read the keys."
    ),
    as_json: bool = JSON,
) -> None:
    """Make yourself a new authenticator app's secret (RFC 6238), anybody's with --local; the old one ends."""
    if local:
        import asyncio  # noqa: PLC0415

        found = {"person": name, "otpauth": asyncio.run(_enrol_locally(name))}
    else:
        found = _change(name, "factor", code, backup_code, ticket)
    if as_json:
        put(found)
        return
    talk("shown once; put it into an authenticator app:")
    typer.echo(found["otpauth"])


def ticket(name: str, code: str = CODE, backup_code: str = BACKUP, as_json: bool = JSON) -> None:
    """Let somebody add one second factor within 15 minutes, as an admin; give them what this prints."""
    found = _change(name, "ticket", code, backup_code)
    if as_json:
        put(found)
        return
    talk(f"shown once; give it to {name} yourself, it ends at {found['expires'][:19]} UTC:")
    typer.echo(found["ticket"])


def backup_codes(
    name: str, code: str = CODE, backup_code: str = BACKUP, ticket: str = TICKET, as_json: bool = JSON
) -> None:  # fmt: skip
    """Make yourself ten new backup codes, each good once; the ones before end."""
    found = _change(name, "backup-codes", code, backup_code, ticket)
    if as_json:
        put(found)
        return
    talk("shown once; keep them on paper, away from your telephone:")
    typer.echo("\n".join(found["codes"]))


def show(name: str, as_json: bool = JSON) -> None:
    """Which second factors somebody has; no secret is shown."""
    found = _factors(name)
    if as_json:
        put(found)
        return
    left = found["backup_codes_left"]
    rows = [
        ("authenticator app", "yes" if found["totp"] else "none", ""),
        ("backup codes", "none" if left is None else f"{left} left", ""),
        *(("passkey", one["name"], _stands(one)) for one in found["passkeys"]),
    ]
    table(("factor", "what", "stands"), rows, empty="")


@passkeys.command("list")
def list_passkeys(name: str, as_json: bool = JSON) -> None:
    """Somebody's passkeys."""
    found = _factors(name)["passkeys"]
    if as_json:
        put(found)
        return
    rows = [(one["name"], one["made"][:19], _stands(one)) for one in found]
    table(("passkey", "made (UTC)", "stands"), rows, empty=f"{name} has no passkey")


@passkeys.command("remove")
def remove_passkey(
    name: str, passkey: str, code: str = CODE, backup_code: str = BACKUP, ticket: str = TICKET
) -> None:
    """Remove somebody's passkey by its name."""
    found = _change(
        name, "passkeys/remove", code, backup_code, ticket, passkey_name=passkey
    )  # fmt: skip
    talk(f"removed: {found['removed']}")


def _factors(name: str) -> Any:  # noqa: ANN401 - the API's JSON
    from responder.cli.remote import ask  # noqa: PLC0415

    return ask("GET", f"/api/people/{name}/factors")


def _change(
    name: str, what: str, code: str, backup_code: str, ticket: str = "", **more: str
) -> Any:  # noqa: ANN401 - the API's JSON
    from responder.cli.remote import ask  # noqa: PLC0415

    body = {"code": backup_code or code, "ticket": ticket, **more}
    return ask("POST", f"/api/people/{name}/{what}", json=body)


def _stands(passkey: dict[str, Any]) -> str:
    if passkey["stopped"]:
        return f"stopped {passkey['stopped'][:19]} UTC: it may have been copied"
    return f"used {passkey['used'][:19]} UTC" if passkey["used"] else "never used"


async def _enrol_locally(name: str) -> str:
    from responder.approval import totp  # noqa: PLC0415
    from responder.approval.announcing import announce  # noqa: PLC0415
    from responder.audit import Entry  # noqa: PLC0415
    from responder.cli.say import NOT_FOUND, Stop  # noqa: PLC0415
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415
    from responder.keys import Keys  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415
    from responder.store import Store  # noqa: PLC0415
    from responder.store.schema import check_schema  # noqa: PLC0415

    settings = read_settings()
    ring = KeyRing.load(Keys(settings.state).store)  # who may read this may do anything already
    if settings.directory().find(name) is None:
        raise Stop(NOT_FOUND, f"the settings name no person {name}")
    store = Store(settings.database)
    try:
        await check_schema(store)
        now = store.now()
        async with store.transaction() as tx:
            address = await totp.enrol(tx, ring, name)
            await announce(
                tx,
                now,
                Entry(kind="enrolled", actor="state folder", subject=name, data={"by": "keys"}),
                to=name,
                key=f"enrolled/{name}/{now.isoformat()}",
                subject=f"{name}: a new authenticator app was set up from the state folder",
                body="Whoever may read the keys did this. If nobody should have, tell security.",
            )
    finally:
        await store.close()
    return address
