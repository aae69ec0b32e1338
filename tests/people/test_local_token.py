from pathlib import Path

import pytest

from responder.people import local_token, tokens
from responder.people.token_keys import TokenKeys
from responder.store import Store
from tests.databases import ManualClock


@pytest.fixture
def database() -> str:
    return "sqlite"


async def test_the_token_of_the_command_line_is_renewed_before_it_ends(
    store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    keys = TokenKeys(tmp_path / "keys" / "tokens.json")
    kept = local_token.path(tmp_path)

    async def renewed() -> bool:
        return await local_token.renew(tmp_path, store, keys, "ana")

    async def counts() -> bool:
        return await tokens.holder(store, keys, kept.read_text()) == "ana"

    assert await renewed()
    assert kept.stat().st_mode & 0o777 == 0o600
    assert not await renewed()
    clock.advance(days=29)
    assert await counts()
    assert await renewed()
    assert not await renewed()
    assert await counts()


async def test_it_is_renewed_when_it_was_revoked_or_its_key_has_ended(
    store: Store, tmp_path: Path, clock: ManualClock
) -> None:
    keys = TokenKeys(tmp_path / "keys" / "tokens.json")
    await local_token.renew(tmp_path, store, keys, "ana")

    await tokens.revoke_all(store, "ana")
    assert await local_token.renew(tmp_path, store, keys, "ana")
    keys.rotate(clock.now, clock.now)
    assert await local_token.renew(tmp_path, store, keys, "ana")

    assert not await local_token.renew(tmp_path, store, keys, "ana")
    assert await local_token.renew(tmp_path, store, keys, "ben")
