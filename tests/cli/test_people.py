"""`responder people`: tokens and passwords straight into the store, and what is asked of the API."""

import asyncio
import json
from pathlib import Path

import pytest

from responder.crypto.keyring import KeyRing
from responder.keys import Keys
from responder.people import passwords, tokens
from responder.people.token_keys import TokenKeys
from responder.settings import read_settings
from responder.store import Store
from responder.store.schema import bring_up_to_date
from tests.cli.conftest import Run

_PASSWORD = "correct horse battery"


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    """A state folder with its keys and tables, as `serve` leaves them."""
    (tmp_path / "responder.yaml").write_text(
        f"state: {tmp_path / 'state'}\npeople: [{{name: ana, roles: [operator]}}]\n"
    )
    made = Keys(tmp_path / "state")
    made.folder.mkdir(parents=True, mode=0o700)
    KeyRing.at(made.store)

    async def migrate() -> None:
        store = Store(f"sqlite+aiosqlite:///{tmp_path / 'state' / 'responder.sqlite'}")
        await bring_up_to_date(store)
        await store.close()

    asyncio.run(migrate())
    return made


def holder(keys: Keys, token: str) -> str | None:
    async def ask() -> str | None:
        store = Store(read_settings().database)
        try:
            return await tokens.holder(store, TokenKeys(keys.tokens), token)
        finally:
            await store.close()

    return asyncio.run(ask())


def has_password(text: str) -> bool:
    async def ask() -> bool:
        store = Store(read_settings().database)
        try:
            return await passwords.holds(store, "ana", text)
        finally:
            await store.close()

    return asyncio.run(ask())


def test_the_first_token_is_made_on_the_machine_itself(run: Run, keys: Keys) -> None:
    said = run("people", "token", "ana", "--for", "1h", "--local")

    assert said.status == 0, said.err
    assert "shown once" in said.err
    assert holder(keys, said.out.strip()) == "ana"


def test_the_key_of_tokens_is_rotated_on_the_machine_where_nobody_can_prove_anything(
    run: Run, keys: Keys
) -> None:
    token = run("people", "token", "ana", "--local").out.strip()
    said = run("people", "rotate-token-key", "--at-once", "--local", "--reason", "it leaked")

    assert said.status == 0, said.err
    assert "signs from now on" in said.err
    assert holder(keys, token) is None
    assert holder(keys, run("people", "token", "ana", "--local").out.strip()) == "ana"


def test_a_token_as_json_says_when_it_ends(run: Run, keys: Keys) -> None:
    said = run("people", "token", "ana", "--local", "--json")

    assert json.loads(said.out).keys() == {"person", "token", "expires"}
    assert said.err == ""


@pytest.mark.parametrize(("lasts", "status"), [("31d", 1), ("forever", 2), ("0h", 2), ("-1h", 2)])
def test_no_token_is_made_for_longer_than_thirty_days(
    run: Run, keys: Keys, lasts: str, status: int
) -> None:
    said = run("people", "token", "ana", f"--for={lasts}", "--local")

    assert said.status == status
    assert said.out == ""
    assert "expected a" in said.err


def test_nobody_whom_the_settings_do_not_name_gets_one(run: Run, keys: Keys) -> None:
    said = run("people", "token", "eve", "--local")

    assert (said.status, "the settings name no person eve" in said.err) == (3, True)


def test_a_password_is_typed_twice_and_is_no_argument(
    run: Run, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.prompt", lambda *_, **__: _PASSWORD)

    said = run("people", "password", "ana", "--local")

    assert said.status == 0, said.err
    assert _PASSWORD not in said.out + said.err
    assert has_password(_PASSWORD)
    assert run("people", "password", "ana", _PASSWORD, "--local").status == 2

    removed = run("people", "password", "ana", "--local", "--remove")
    assert (removed.status, "has no password any more" in removed.err) == (0, True)
    assert not has_password(_PASSWORD)


def test_a_password_that_is_too_short_changes_nothing(
    run: Run, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("typer.prompt", lambda *_, **__: "short")

    said = run("people", "password", "ana", "--local")

    assert (said.status, "expected 12 to 1024 characters" in said.err) == (1, True)
    assert not has_password("short")


def test_a_password_is_set_nowhere_but_on_the_machine(run: Run, keys: Keys) -> None:
    said = run("people", "password", "ana")

    assert said.status == 1
    assert "hint: responder people password ana --local" in said.err
