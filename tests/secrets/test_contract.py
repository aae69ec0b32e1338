"""What every store must do: sealed files as they are, and Key Vault by its SDK at a double of it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from pydantic import SecretBytes

from activities.azure import Vault
from activities.providers.key_vault import KeyVault
from responder.crypto.keyring import KeyRing
from responder.secrets.contract import NotStaged, SecretStore, Stage, version_for
from responder.secrets.sealed import SealedSecrets
from tests.providers.azure.ground import Credential, reachable

KEY = "jwt-signing-key"
MONTH = timedelta(days=30)
FIRST, SECOND, THIRD = (version_for(f"INC-2026-000{n}", KEY) for n in (1, 2, 3))


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sealed files", "key vault"])
async def store(
    request: pytest.FixtureRequest, tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[SecretStore]:
    if cast("str", request.param) == "sealed files":
        ring = KeyRing.fresh()
        yield SealedSecrets(tmp_path, lambda: ring, now=clock)
        return
    with reachable(tmp_path, monkeypatch) as service:
        service.now = clock
        vault = KeyVault(Vault(service.url, credential=Credential()), "responder--", now=clock)
        yield vault
        await vault.close()


async def stages(store: SecretStore) -> list[tuple[str, Stage]]:
    return [(one.id, one.stage) for one in await store.versions(KEY)]


async def rotate(store: SecretStore, clock: Clock, version: str, value: bytes) -> None:
    clock.now += timedelta(minutes=1)
    await store.put(KEY, version, SecretBytes(value))
    await store.promote(KEY, version)


async def test_a_new_version_waits_until_it_is_promoted(store: SecretStore, clock: Clock) -> None:
    assert await store.versions(KEY) == ()
    await rotate(store, clock, FIRST, b"one")
    clock.now += timedelta(minutes=1)
    assert await store.put(KEY, SECOND, SecretBytes(b"\x00\xff two"))
    assert await stages(store) == [(FIRST, Stage.CURRENT), (SECOND, Stage.PENDING)]
    assert (await store.get(KEY)).get_secret_value() == b"one"
    await store.promote(KEY, SECOND)
    assert await stages(store) == [(FIRST, Stage.PREVIOUS), (SECOND, Stage.CURRENT)]
    assert (await store.get(KEY)).get_secret_value() == b"\x00\xff two"
    assert (await store.get(KEY, FIRST)).get_secret_value() == b"one"


async def test_a_version_that_is_there_keeps_its_value(store: SecretStore) -> None:
    assert await store.put(KEY, FIRST, SecretBytes(b"one"))
    assert not await store.put(KEY, FIRST, SecretBytes(b"other"))
    assert (await store.get(KEY, FIRST)).get_secret_value() == b"one"


async def test_promoting_twice_changes_nothing_the_second_time(
    store: SecretStore, clock: Clock
) -> None:
    await rotate(store, clock, FIRST, b"one")
    await rotate(store, clock, SECOND, b"two")
    before = await store.versions(KEY)
    clock.now += timedelta(hours=1)
    await store.promote(KEY, SECOND)
    assert await store.versions(KEY) == before


async def test_what_was_replaced_keeps_its_date_through_later_promotions_and_back(
    store: SecretStore, clock: Clock
) -> None:
    await rotate(store, clock, FIRST, b"one")
    await rotate(store, clock, SECOND, b"two")
    second_at = clock.now
    await rotate(store, clock, THIRD, b"three")
    clock.now += timedelta(hours=1)
    await store.promote(KEY, SECOND)
    assert {one.id: (one.stage, one.replaced) for one in await store.versions(KEY)} == {
        FIRST: (Stage.PREVIOUS, second_at),
        SECOND: (Stage.CURRENT, None),
        THIRD: (Stage.PREVIOUS, clock.now),
    }


async def test_what_was_current_is_destroyed_only_after_its_retention(
    store: SecretStore, clock: Clock
) -> None:
    await rotate(store, clock, FIRST, b"one")
    await rotate(store, clock, SECOND, b"two")
    clock.now += MONTH - timedelta(seconds=1)
    with pytest.raises(NotStaged, match="it is accepted until 2026-03-31 02:02 UTC"):
        await store.destroy(KEY, FIRST, retention=MONTH)
    clock.now += timedelta(seconds=1)
    for _ in range(2):
        await store.destroy(KEY, FIRST, retention=MONTH)
        assert await stages(store) == [(FIRST, Stage.DESTROYED), (SECOND, Stage.CURRENT)]
    with pytest.raises(NotStaged, match="has no value here"):
        await store.get(KEY, FIRST)


@pytest.mark.parametrize("stage", [Stage.CURRENT, Stage.PENDING])
async def test_what_is_or_will_be_in_use_is_never_destroyed(
    store: SecretStore, clock: Clock, stage: Stage
) -> None:
    await store.put(KEY, FIRST, SecretBytes(b"one"))
    if stage is Stage.CURRENT:
        await store.promote(KEY, FIRST)
    clock.now += 10 * MONTH
    with pytest.raises(NotStaged, match=f"it is {stage}"):
        await store.destroy(KEY, FIRST, retention=MONTH)
    assert (await store.get(KEY, FIRST)).get_secret_value() == b"one"


async def test_a_revoked_version_is_destroyed_at_once_and_never_comes_back(
    store: SecretStore, clock: Clock
) -> None:
    await rotate(store, clock, FIRST, b"one")
    await store.revoke(KEY, FIRST)
    await store.revoke(KEY, FIRST)
    assert await stages(store) == [(FIRST, Stage.REVOKED)]
    with pytest.raises(NotStaged, match="it is revoked; nothing was changed"):
        await store.promote(KEY, FIRST)
    with pytest.raises(NotStaged, match="a current version has no value"):
        await store.get(KEY)
    await store.destroy(KEY, FIRST, retention=MONTH)
    await store.revoke(KEY, FIRST)
    assert await stages(store) == [(FIRST, Stage.DESTROYED)]


async def test_a_version_that_does_not_exist_is_said_and_nothing_is_made(
    store: SecretStore,
) -> None:
    for change in (
        store.promote(KEY, FIRST),
        store.revoke(KEY, FIRST),
        store.destroy(KEY, FIRST, retention=MONTH),
    ):
        with pytest.raises(NotStaged, match="there is no version"):
            await change
    assert await store.versions(KEY) == ()
