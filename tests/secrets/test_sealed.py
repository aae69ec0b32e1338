import asyncio
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretBytes

from responder.crypto.keyring import KeyRing
from responder.errors import StateError, Unreachable
from responder.secrets.contract import NotStaged, Stage, Version, version_for
from responder.secrets.sealed import SealedSecrets

KEY = "jwt-signing-key"
MONTH = timedelta(days=30)
FIRST, SECOND = version_for("INC-2026-0001", KEY), version_for("INC-2026-0002", KEY)
CANARY = b"canary-7f3a-never-to-be-seen"


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 2, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ring() -> KeyRing:
    return KeyRing.fresh()


@pytest.fixture
def store(tmp_path: Path, clock: Clock, ring: KeyRing) -> SealedSecrets:
    return SealedSecrets(tmp_path, lambda: ring, now=clock)


async def stages(store: SealedSecrets) -> list[tuple[str, Stage]]:
    return [(one.id, one.stage) for one in await store.versions(KEY)]


async def rotate(store: SealedSecrets, version: str, value: bytes) -> None:
    await store.put(KEY, version, SecretBytes(value))
    await store.promote(KEY, version)


async def test_what_was_current_is_kept_for_its_retention_and_then_destroyed(
    store: SealedSecrets, clock: Clock, tmp_path: Path, ring: KeyRing
) -> None:
    await rotate(store, FIRST, CANARY)
    await rotate(store, SECOND, b"two")
    clock.now += MONTH - timedelta(seconds=1)
    with pytest.raises(NotStaged, match="it is accepted until 2026-03-31 02:00 UTC"):
        await store.destroy(KEY, FIRST, retention=MONTH)
    clock.now += timedelta(seconds=1)
    await store.destroy(KEY, FIRST, retention=MONTH)
    assert await stages(store) == [(FIRST, Stage.DESTROYED), (SECOND, Stage.CURRENT)]
    with pytest.raises(NotStaged, match="has no value here"):
        await store.get(KEY, FIRST)
    kept = ring.open_whole((tmp_path / f"{KEY}.sealed").read_bytes(), purpose=f"secret/{KEY}")
    assert b"Y2FuYXJ5" not in kept  # "canary" in base64: the value is gone, not only hidden


async def test_a_version_that_does_not_exist_is_said_and_nothing_is_made(
    store: SealedSecrets, tmp_path: Path
) -> None:
    for change in (store.promote(KEY, FIRST), store.revoke(KEY, FIRST)):
        with pytest.raises(NotStaged, match="there is no version"):
            await change
    assert await store.versions(KEY) == ()
    assert not list(tmp_path.glob("*.sealed"))


@pytest.mark.parametrize("name", ["../keys/store", "/etc/shadow", "a//b", "A", "", "a b", "a\n"])
async def test_a_name_that_leads_out_of_the_folder_is_refused(
    store: SealedSecrets, name: str
) -> None:
    with pytest.raises(StateError, match="is not the name of a secret"):
        await store.put(name, FIRST, SecretBytes(b"one"))


async def test_a_file_in_the_place_of_another_does_not_open(
    store: SealedSecrets, tmp_path: Path
) -> None:
    await store.put("app/one", FIRST, SecretBytes(b"one"))
    await store.put("app/two", FIRST, SecretBytes(b"two"))
    (tmp_path / "app/one.sealed").replace(tmp_path / "app/two.sealed")
    with pytest.raises(Unreachable, match="was changed since; what it holds is unknown"):
        await store.get("app/two", FIRST)


async def test_nothing_secret_is_readable_in_the_folder_or_in_what_is_said(
    store: SealedSecrets, tmp_path: Path
) -> None:
    value = SecretBytes(CANARY)
    await store.put(KEY, FIRST, value)
    on_disk = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert CANARY not in on_disk
    assert b"Y2FuYXJ5" not in on_disk
    said = f"{value!r} {value} {await store.versions(KEY)!r} {await store.get(KEY, FIRST)!r}"
    assert "canary" not in said
    assert {p.stat().st_mode & 0o077 for p in tmp_path.rglob("*") if p.is_file()} == {0}


async def test_after_resealing_the_old_key_is_needed_no_more(
    tmp_path: Path, clock: Clock, ring: KeyRing
) -> None:
    await SealedSecrets(tmp_path, lambda: ring, now=clock).put(KEY, FIRST, SecretBytes(b"one"))
    rotated = ring.rotated()
    store = SealedSecrets(tmp_path, lambda: rotated, now=clock)
    assert store.reseal() == 1
    new = KeyRing({rotated.active: rotated._keys[rotated.active]}, rotated.active)
    left = SealedSecrets(tmp_path, lambda: new, now=clock)
    assert (await left.get(KEY, FIRST)).get_secret_value() == b"one"


def put_many(folder: Path, ring: KeyRing, who: int) -> None:
    store = SealedSecrets(folder, lambda: ring)
    for i in range(10):
        asyncio.run(store.put(KEY, version_for(f"{who}/{i}", KEY), SecretBytes(b"x")))


def test_two_processes_lose_nothing_of_each_other(tmp_path: Path, ring: KeyRing) -> None:
    context = multiprocessing.get_context("fork")
    working = [context.Process(target=put_many, args=(tmp_path, ring, who)) for who in (1, 2)]
    for one in working:
        one.start()
    for one in working:
        one.join(30)
    found: tuple[Version, ...] = asyncio.run(SealedSecrets(tmp_path, lambda: ring).versions(KEY))
    assert len({one.id for one in found}) == 20
