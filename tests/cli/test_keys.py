"""`responder keys`, over the rings of a state folder; what asks the API is tested with a whole runner."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretBytes

from responder.crypto.keyring import KeyRing
from responder.keys import Keys
from responder.secrets.contract import version_for
from responder.secrets.sealed import SealedSecrets
from tests.cli.conftest import Run


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Run) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("RESPONDER_STATE", str(folder))
    Keys(folder).make_missing()
    return folder


def aged(path: Path, days: int) -> list[str]:
    """Have all retired keys of a ring be retired *days* ago; returns their ids."""
    kept = json.loads(path.read_text())
    at = (datetime.now(UTC) - timedelta(days=days)).isoformat()
    kept["retired"] = dict.fromkeys(kept["retired"], at)
    path.write_text(json.dumps(kept))
    return list(kept["retired"])


def test_old_keys_of_the_secrets_are_destroyed_after_30_days_and_nothing_is_lost(
    run: Run, state: Path
) -> None:
    ring = state / "keys" / "secrets.json"
    store = SealedSecrets(state / "secrets", lambda: KeyRing.load(ring))
    version = version_for("one", "app")
    asyncio.run(store.put("app", version, SecretBytes(b"value")))
    assert "is active, 2 keys are in the ring" in run("keys", "rotate", "secrets").err
    aged(ring, 29)
    assert "1 sealed anew" in (said := run("keys", "destroy", "secrets").err)
    assert "destroyed: none" in said
    [old] = aged(ring, 30)
    assert f"destroyed: {old}" in run("keys", "destroy", "secrets").err
    assert old not in run("keys", "rings").out
    assert asyncio.run(store.get("app", version)).get_secret_value() == b"value"


@pytest.mark.parametrize(
    ("ring", "why"),
    [
        ("payloads", "Temporal's histories cannot be sealed anew"),
        ("evidence", "so that its digests go on holding"),
        ("warrants", "for as long as anything is held that began under them"),
    ],
)
def test_keys_that_nothing_else_opens_are_never_destroyed(
    run: Run, state: Path, ring: str, why: str
) -> None:
    Keys(state).make_for_workers()
    assert run("keys", "rotate", ring).status == 0
    kept = state / "keys" / f"{ring}.json"
    before = kept.read_bytes()
    said = run("keys", "destroy", ring)
    assert said.status != 0
    assert why in said.err
    assert kept.read_bytes() == before


def test_a_serve_that_has_no_ring_of_the_workers_says_so(run: Run, state: Path) -> None:
    found = run("keys", "rings").out.splitlines()
    assert "warrants  none here" in found
    Keys(state).make_for_workers()
    assert any(line.startswith("warrants  k-") for line in run("keys", "rings").out.splitlines())
