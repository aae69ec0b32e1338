"""
Secrets Manager at moto, which moves labels as AWS does.

Three things of AWS that moto does not do are not shown: that it gives the first version AWSCURRENT,
that it removes versions without labels in its own time, and when a version was made (moto says: now).
"""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretBytes

from activities.aws import Aws
from activities.providers.secrets_manager import SecretsManager
from responder.secrets.contract import NotStaged, Stage, version_for

MONTH = timedelta(days=30)
FIRST, SECOND, THIRD = (version_for(n, "key") for n in ("one", "two", "three"))


class Clock:
    def __init__(self) -> None:
        self.now = datetime.now(UTC).replace(microsecond=0)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def key() -> str:
    return f"key-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def store(aws: Aws, clock: Clock) -> SecretsManager:
    return SecretsManager(aws, "responder/", now=clock)


async def stages(store: SecretsManager, key: str) -> dict[str, Stage]:
    return {one.id: one.stage for one in await store.versions(key)}


async def rotate(store: SecretsManager, key: str, version: str, value: bytes) -> None:
    await store.put(key, version, SecretBytes(value))
    await store.promote(key, version)


async def test_versions_move_through_their_stages_and_old_ones_are_kept_and_dated(
    store: SecretsManager, key: str, clock: Clock
) -> None:
    assert await store.versions(key) == ()
    assert await store.put(key, FIRST, SecretBytes(b"one"))
    assert not await store.put(key, FIRST, SecretBytes(b"other"))
    assert await stages(store, key) == {FIRST: Stage.PENDING}
    with pytest.raises(NotStaged, match="a current version has no value here"):
        await store.get(key)
    await store.promote(key, FIRST)
    await rotate(store, key, SECOND, b"two")
    await rotate(store, key, THIRD, b"three")
    assert await stages(store, key) == {
        FIRST: Stage.PREVIOUS, SECOND: Stage.PREVIOUS, THIRD: Stage.CURRENT,
    }  # fmt: skip
    assert {one.id: one.replaced for one in await store.versions(key)} == {
        FIRST: clock.now, SECOND: clock.now, THIRD: None,
    }  # fmt: skip
    values = [(await store.get(key, v)).get_secret_value() for v in (FIRST, SECOND, None)]
    assert values == [b"one", b"two", b"three"]


async def test_promoting_again_and_back_keeps_one_current(store: SecretsManager, key: str) -> None:
    await rotate(store, key, FIRST, b"one")
    await rotate(store, key, SECOND, b"two")
    before = [(one.id, one.stage, one.replaced) for one in await store.versions(key)]
    await store.promote(key, SECOND)
    after = [(one.id, one.stage, one.replaced) for one in await store.versions(key)]
    assert sorted(after) == sorted(before)
    await store.promote(key, FIRST)
    assert await stages(store, key) == {FIRST: Stage.CURRENT, SECOND: Stage.PREVIOUS}
    assert (await store.get(key)).get_secret_value() == b"one"


async def test_a_version_is_destroyed_only_after_its_retention(
    store: SecretsManager, key: str, clock: Clock
) -> None:
    await rotate(store, key, FIRST, b"one")
    await rotate(store, key, SECOND, b"two")
    clock.now += MONTH - timedelta(seconds=1)
    with pytest.raises(NotStaged, match="it is accepted until"):
        await store.destroy(key, FIRST, retention=MONTH)
    clock.now += timedelta(seconds=1)
    await store.destroy(key, FIRST, retention=MONTH)
    assert await stages(store, key) == {FIRST: Stage.DESTROYED, SECOND: Stage.CURRENT}
    with pytest.raises(NotStaged, match="has no value here"):
        await store.get(key, FIRST)
    with pytest.raises(NotStaged, match="it is current"):
        await store.destroy(key, SECOND, retention=MONTH)


async def test_a_revoked_version_is_not_current_and_does_not_come_back(
    store: SecretsManager, key: str
) -> None:
    await rotate(store, key, FIRST, b"one")
    await store.revoke(key, FIRST)
    with pytest.raises(NotStaged, match="a current version has no value here"):
        await store.get(key)
    with pytest.raises(NotStaged, match="it is revoked; nothing was changed"):
        await store.promote(key, FIRST)
    with pytest.raises(NotStaged, match="promote a new one first"):
        await store.destroy(key, FIRST, retention=MONTH)
    await rotate(store, key, SECOND, b"two")
    assert await stages(store, key) == {FIRST: Stage.REVOKED, SECOND: Stage.CURRENT}
    await store.destroy(key, FIRST, retention=MONTH)
    assert await stages(store, key) == {FIRST: Stage.DESTROYED, SECOND: Stage.CURRENT}
