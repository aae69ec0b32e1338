"""`responder people`, what lets people in: tokens, sessions, passwords, and the key that signs tokens."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import typer

from responder.cli.factors import BACKUP, CODE
from responder.cli.say import FAILED, NOT_FOUND, Stop, put, table, talk
from responder.cli.times import length

if TYPE_CHECKING:
    from responder.settings import Settings
    from responder.store import Store

_FOLDER = "state folder"  # who acts, as the audit says it: whoever may read the keys
JSON = typer.Option(False, "--json", help="Print JSON.")


def register(app: typer.Typer) -> None:
    """Add the commands to `responder people`."""
    app.command()(token)
    app.command()(tokens)
    app.command("revoke-token")(revoke_token)
    app.command()(sessions)
    app.command("end-session")(end_session)
    app.command("sign-out")(sign_out)
    app.command("rotate-token-key")(rotate_token_key)
    app.command()(password)


def token(
    name: str,
    lasts: str = typer.Option(
        "30d", "--for", help="How long it is good: 45m, 1h or 30d, the longest."
    ),
    local: bool = typer.Option(
        False, help="Straight into the store, for anybody, by who may read the keys."
    ),
    code: str = CODE,
    backup_code: str = BACKUP,
    as_json: bool = JSON,
) -> None:
    """Make yourself a token of the API: an RS256 JWT, revocable. Another's is made with --local only."""
    lifetime = length(lasts)
    if local:
        found = _in_store(name, lambda settings, store: _issue(settings, store, name, lifetime))
    else:
        from responder.cli.remote import ask  # noqa: PLC0415

        body = {"lifetime": lifetime.total_seconds(), "code": backup_code or code}
        found = ask("POST", f"/api/people/{name}/token", json=body)
    if as_json:
        put(found)
        return
    talk("shown once; set it as RESPONDER_TOKEN:")
    typer.echo(found["token"])


def tokens(name: str, as_json: bool = JSON) -> None:
    """The tokens of somebody that count now; yours, or anybody's for an admin."""
    _list(name, "tokens", ("id", "made", "expires"), as_json=as_json)


def sessions(name: str, as_json: bool = JSON) -> None:
    """The browsers that somebody is signed in with; yours, or anybody's for an admin."""
    _list(name, "sessions", ("id", "made", "expires", "method", "agent"), as_json=as_json)


def _list(name: str, what: str, columns: tuple[str, ...], *, as_json: bool) -> None:
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("GET", f"/api/people/{name}/access")[what]
    if as_json:
        put(found)
        return
    rows = [tuple(one[column] for column in columns) for one in found]
    table(columns, rows, empty=f"{name} has no {what}")


def revoke_token(name: str, token_id: str = typer.Argument(metavar="ID")) -> None:
    """End one token, by the id that `responder people tokens` lists."""
    from responder.cli.remote import ask  # noqa: PLC0415

    ask("POST", f"/api/people/{name}/tokens/revoke", json={"id": token_id})
    talk(f"token {token_id} of {name} no longer counts")


def end_session(name: str, session_id: str = typer.Argument(metavar="ID")) -> None:
    """Sign one browser out, by the id that `responder people sessions` lists."""
    from responder.cli.remote import ask  # noqa: PLC0415

    ask("POST", f"/api/people/{name}/sessions/end", json={"id": session_id})
    talk(f"session {session_id} of {name} ended")


def sign_out(name: str) -> None:
    """End every token and every session of somebody: a laptop is lost, or they have left."""
    from responder.cli.remote import ask  # noqa: PLC0415

    found = ask("POST", f"/api/people/{name}/sign-out")
    talk(f"{name}: {found['tokens']} tokens and {found['sessions']} sessions ended")


def rotate_token_key(
    at_once: bool = typer.Option(
        False, "--at-once", help="End every token of the old key now: it may have leaked."
    ),
    reason: str = typer.Option("", help="Why; it goes into the audit."),
    local: bool = typer.Option(
        False, "--local", help="On the machine itself, without `serve`, by who may read the keys."
    ),
    code: str = CODE,
    backup_code: str = BACKUP,
) -> None:
    """Sign tokens with a new key; the old one verifies until its last token has ended."""
    if local:
        found = _in_store("", lambda settings, store: _rotate(settings, store, at_once, reason))
    else:
        from responder.cli.remote import ask  # noqa: PLC0415

        body = {"at_once": at_once, "reason": reason, "code": backup_code or code}
        found = ask("POST", "/api/token-keys/rotate", json=body)
    talk(
        f"{found['key']} signs from now on; {found['old']} verifies until {found['old_until']}"
        + ("\n\nhint: responder people token NAME --local makes the next token" if at_once else "")
    )


def password(
    name: str,
    local: bool = typer.Option(
        False, "--local", help="Straight into the store, by who may read the keys: the only way."
    ),
    remove: bool = typer.Option(False, "--remove", help="Take the password away."),
) -> None:
    """Set somebody's password, which is asked for here; it signs in with a second factor only."""
    if not local:
        raise Stop(
            FAILED,
            "passwords are set on the machine itself\n\nhint: responder people password "
            f"{name} --local",
        )
    if remove:
        removed = _in_store(name, lambda _, store: _remove(store, name))
        talk(f"{name} has no password any more" if removed else f"{name} had no password")
        return
    typed = typer.prompt(f"new password of {name}", hide_input=True, confirmation_prompt=True)
    ended = _in_store(name, lambda _, store: _set(store, name, typed))
    talk(f"{name}'s password is set; {ended} sessions ended")


async def _issue(
    settings: "Settings", store: "Store", name: str, lifetime: timedelta
) -> dict[str, str]:
    from responder.keys import Keys  # noqa: PLC0415
    from responder.people.token_keys import TokenKeys  # noqa: PLC0415
    from responder.people.tokens import issue_and_tell  # noqa: PLC0415

    keys = TokenKeys(Keys(settings.state).tokens)
    made, expires = await issue_and_tell(store, keys, name, lifetime, by=_FOLDER)
    return {"person": name, "token": made, "expires": expires.isoformat()}


async def _rotate(
    settings: "Settings", store: "Store", at_once: bool, reason: str
) -> dict[str, Any]:
    from responder.keys import Keys  # noqa: PLC0415
    from responder.people.token_keys import TokenKeys  # noqa: PLC0415
    from responder.people.tokens import rotate_key  # noqa: PLC0415

    keys = TokenKeys(Keys(settings.state).tokens)
    return await rotate_key(store, keys, at_once=at_once, reason=reason, by=_FOLDER)


async def _set(store: "Store", name: str, typed: str) -> int:
    from responder.people.passwords import set_password  # noqa: PLC0415

    return await set_password(store, name, typed, by=_FOLDER)


async def _remove(store: "Store", name: str) -> bool:
    from responder.people import passwords  # noqa: PLC0415
    from responder.people import sessions as signed_in  # noqa: PLC0415

    await signed_in.end_all(store, name)
    return await passwords.remove(store, name, by=_FOLDER)


def _in_store(name: str, work: "Callable[[Settings, Store], Awaitable[Any]]") -> Any:  # noqa: ANN401 - what it gives
    """Do *work* in the store itself, without `serve`; about the person *name*, unless that is nobody."""
    import asyncio  # noqa: PLC0415

    from responder.crypto.keyring import KeyRing  # noqa: PLC0415
    from responder.keys import Keys  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415
    from responder.store import Store  # noqa: PLC0415
    from responder.store.schema import check_schema  # noqa: PLC0415

    settings = read_settings()
    KeyRing.load(Keys(settings.state).store)  # who may read this may do anything already
    if name and settings.directory().find(name) is None:
        raise Stop(NOT_FOUND, f"the settings name no person {name}")

    async def do() -> Any:  # noqa: ANN401 - what it gives
        store = Store(settings.database)
        try:
            await check_schema(store)
            return await work(settings, store)
        finally:
            await store.close()

    return asyncio.run(do())
