import json
import subprocess
import sys
from pathlib import Path

import pytest

from responder.crypto.keyring import KeyRing
from responder.evidence.folder import FolderVault
from responder.keys import Keys
from tests.cli.conftest import Run
from tests.evidence.test_folder import fill, place

CONTENTS = {"network/sockets": b"sockets\n", "memory/7-1": bytes(200_000)}
WHERE = "INC-2026-0007/web/first"


@pytest.fixture
def folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state folder's own vault, with one collection in it."""
    state = tmp_path / "state"
    monkeypatch.setenv("RESPONDER_STATE", str(state))
    keys = Keys(state)
    keys.make_missing()
    fill(FolderVault(state / "evidence", lambda: KeyRing.load(keys.evidence)), CONTENTS)
    return state / "evidence"


def test_kept_evidence_is_listed(run: Run, folder: Path) -> None:
    said = run("evidence", "list")
    assert said.status == 0
    for word in ("INC-2026-0007", "web", "first", "200008"):
        assert word in said.out
    listed = json.loads(run("evidence", "list", "--json").out)
    assert len(listed) == 1
    assert [a["name"] for a in listed[0]["manifest"]["artefacts"]] == list(CONTENTS)
    assert (
        run("evidence", "list", "--incident", "INC-2026-0008").err.strip() == "no evidence is kept"
    )


def test_kept_evidence_verifies(run: Run, folder: Path) -> None:
    said = run("evidence", "verify")
    assert (said.status, said.out) == (0, "")
    assert said.err == (
        "1 collections hold, 1 of them complete: 2 artefacts, 200008 bytes, 3 custody entries\n"
    )
    (verdict,) = json.loads(run("evidence", "verify", "--json").out)["collections"]
    assert (verdict["complete"], verdict["faults"]) == (True, [])
    elsewhere = run("evidence", "verify", "--folder", str(folder), "--incident", "INC-2026-0007")
    assert elsewhere.status == 0


def test_a_changed_file_is_named(run: Run, folder: Path) -> None:
    path = folder / place("network/sockets").path
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said = run("evidence", "verify")
    assert said.status == 7
    assert f"{WHERE}/artefacts/network/sockets: chunk 0 of what was sealed" in said.err
    shown = run("evidence", "show", f"{WHERE}/artefacts/network/sockets")
    assert (shown.status, shown.out) == (1, "")
    (folder / "planted").write_text("x")
    assert "planted: the vault did not write it" in run("evidence", "verify").err


def test_an_artefact_comes_out_as_it_was(folder: Path) -> None:
    words = (sys.executable, "-m", "responder", "evidence", "show", f"{WHERE}/artefacts/memory/7-1")
    done = subprocess.run(words, capture_output=True, check=True)
    assert done.stdout == CONTENTS["memory/7-1"]


@pytest.mark.parametrize(
    ("words", "status", "expected"),
    [
        (("verify", "--folder", "/nowhere"), 3, "/nowhere: no evidence is kept there"),
        (("verify", "--incident", "INC-1"), 3, "no evidence of INC-1 is kept"),
        (("show", "../../etc/passwd"), 2, "expected CASE/HOST/COLLECTION/artefacts/NAME"),
        (("show", f"{WHERE}/artefacts/../../x"), 2, "expected CASE/HOST/COLLECTION/artefacts/NAME"),
        (("show", f"{WHERE}/artefacts/none"), 1, f"there is no {WHERE}/artefacts/none"),
    ],
)
def test_what_is_not_there_is_said(
    run: Run, folder: Path, words: tuple[str, ...], status: int, expected: str
) -> None:
    said = run("evidence", *words)
    assert said.status == status
    assert expected in said.err


def test_a_vault_in_s3_is_not_read_as_a_folder(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = {"kind": "s3", "cloud": "forensics", "bucket": "our-evidence", "retain_days": 30}
    monkeypatch.setenv("RESPONDER_EVIDENCE", json.dumps({"vault": vault}))
    cloud = {"name": "forensics", "account": "123456789012", "region": "eu-central-1"}
    monkeypatch.setenv("RESPONDER_INVENTORY", json.dumps({"clouds": [cloud]}))
    said = run("evidence", "verify")
    assert said.status == 2
    assert "kept in the bucket our-evidence" in said.err
