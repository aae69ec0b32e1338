"""A vault in a folder, and finding what was done to it behind our back."""

import hashlib
import json
import os
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from responder.crypto.keyring import KeyRing, Tampered
from responder.errors import StateError
from responder.evidence.custody import GENESIS, Broken, Chain, Entry, Touch
from responder.evidence.folder import FolderVault
from responder.evidence.model import Artefact, Clock, Manifest
from responder.evidence.vault import AlreadyThere, Kind, NotThere, Place, Vault
from responder.evidence.verify import manifest_place, verify

RING = KeyRing.fresh()
AT = datetime(2026, 11, 21, tzinfo=UTC)
OF = {"case": "INC-2026-0007", "host": "web", "collection": "first"}


def place(name: str, kind: Kind = Kind.ARTEFACT) -> Place:
    return Place(**OF, kind=kind, name=name)


def entry(touch: Touch, subject: str, artefact: Artefact | None = None) -> Entry:
    return Entry(
        seq=1, at=AT, clock=Clock(offset_ms=1, within_ms=1), actor="run", touch=touch,
        subject=subject, artefact=artefact, previous=GENESIS,
    )  # fmt: skip


def fill(vault: Vault, contents: dict[str, bytes]) -> None:
    """A complete collection of these artefacts."""
    chain = Chain(vault, **OF)
    chain.append(entry(Touch.BEGAN, "web"))
    made = []
    for name, content in contents.items():
        stored = vault.put(place(name), [content])
        artefact = Artefact(
            name=name, kind="test", size=len(content), source_sha256=hashlib.sha256(content).hexdigest(),
            vault_sha256=stored.sha256, kept_sha256=stored.kept_sha256, version=stored.version, acquired=AT,
        )  # fmt: skip
        chain.append(entry(Touch.ACQUIRED, name, artefact))
        made.append(artefact)
    manifest = Manifest(
        **OF, profile="triage", actor="run", began=AT, clock=Clock(offset_ms=1, within_ms=1),
        artefacts=tuple(made), waived=(), missing=(), custody_entries=len(chain.entries),
        custody_head=chain.head,
    )  # fmt: skip
    vault.put(manifest_place(**OF), [manifest.model_dump_json().encode()])


@pytest.fixture
def vault(tmp_path: Path) -> FolderVault:
    return FolderVault(tmp_path / "evidence", lambda: RING)


@pytest.fixture
def full(vault: FolderVault, tmp_path: Path) -> Path:
    """The folder of one complete collection, which verifies."""
    fill(vault, {"network/sockets": b"sockets\n", "big": os.urandom(300_000), "empty": b""})
    assert [v.faults for v in verify(vault)] == [()]
    return tmp_path / "evidence" / "INC-2026-0007" / "web" / "first"


def test_what_was_put_comes_back_and_is_sealed(vault: FolderVault, tmp_path: Path) -> None:
    clear = b"PASSWORD=hunter2\n" * 10_000
    stored = vault.put(
        place("processes/environment"), (clear[i : i + 999] for i in range(0, len(clear), 999))
    )
    assert (stored.sha256, stored.size) == (hashlib.sha256(clear).hexdigest(), len(clear))
    assert b"".join(vault.get(place("processes/environment"))) == clear
    path = tmp_path / "evidence" / place("processes/environment").path
    kept = path.read_bytes()
    assert b"hunter2" not in kept
    assert (
        hashlib.sha256(kept).hexdigest()
        == stored.kept_sha256
        == vault.kept_sha256(place("processes/environment"))
    )
    assert path.stat().st_mode & 0o777 == 0o400
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert vault.places() == vault.places("INC-2026-0007") == [place("processes/environment")]
    assert vault.places("INC-2026-0008") == []


def test_nothing_is_ever_replaced(vault: FolderVault) -> None:
    vault.put(place("one"), [b"first"])
    with pytest.raises(AlreadyThere, match="it was not replaced"):
        vault.put(place("one"), [b"second"])
    assert b"".join(vault.get(place("one"))) == b"first"


def test_of_two_writers_at_once_one_wins(vault: FolderVault) -> None:
    gate = threading.Barrier(8)
    won: list[bytes] = []
    lost: list[AlreadyThere] = []

    def slowly(word: bytes) -> Iterator[bytes]:
        gate.wait()  # all of them have seen that there is nothing yet
        yield word

    def write(word: bytes) -> None:
        try:
            vault.put(place("one"), slowly(word))
            won.append(word)
        except AlreadyThere as error:
            lost.append(error)

    threads = [threading.Thread(target=write, args=(b"%d" % i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(won), len(lost)) == (1, 7)
    assert b"".join(vault.get(place("one"))) == won[0]


def test_what_is_not_whole_is_not_kept(vault: FolderVault, tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b"half"
        raise ConnectionError

    with pytest.raises(StateError, match="could not be kept"):
        vault.put(place("one"), broken())
    assert vault.places() == []
    assert [p for p in (tmp_path / "evidence").rglob("*") if p.is_file()] == []
    with pytest.raises(NotThere):
        list(vault.get(place("one")))


def test_200_megabytes_are_kept_and_read_back_in_bounded_memory(vault: FolderVault) -> None:
    piece = os.urandom(1 << 16)
    tracemalloc.start()
    stored = vault.put(place("large"), (piece for _ in range(3200)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"peak {peak / 2**20:.1f} MiB")
    assert stored.size == 200 << 20
    assert peak < 40 << 20


@given(
    name=st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
    host=st.one_of(
        st.sampled_from(["..", ".", "a/b", "/etc", "~", "%2e", "we b", "$(id)", "\n"]),
        st.text(min_size=1),
    ),
)
def test_no_name_leaves_its_folder(name: str, host: str) -> None:
    try:
        one = Place(case="INC", host=host, collection="first", kind=Kind.ARTEFACT, name=name)
        path = one.path
    except (ValidationError, UnicodeEncodeError):
        return
    assert ".." not in path.split("/")
    assert not any(part.startswith(".") for part in path.split("/"))
    assert path.startswith("INC/")
    assert path.split("/")[2:4] == ["first", "artefacts"] or "/" in host
    if "/" not in host:
        assert Place.at(path) == one


Change = Callable[[Path], object]


def rewrite(name: str, change: Callable[[bytes], bytes]) -> Change:
    def do(folder: Path) -> None:
        path = folder / name
        path.chmod(0o600)
        path.write_bytes(change(path.read_bytes()))

    return do


def flip(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def swapped(folder: Path) -> None:
    one, other = folder / "artefacts/big", folder / "artefacts/empty"
    big, empty = one.read_bytes(), other.read_bytes()
    for path, data in ((one, empty), (other, big)):
        path.chmod(0o600)
        path.write_bytes(data)


def said(what: str) -> Callable[[bytes], bytes]:
    def change(data: bytes) -> bytes:
        found = json.loads(data)
        found["said"] = what
        return json.dumps(found).encode()

    return change


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (rewrite("artefacts/big", flip), "was changed, moved or cut off"),
        (rewrite("artefacts/big", lambda data: data[:-65552]), "was changed, moved or cut off"),
        (rewrite("artefacts/network/sockets", lambda _: b"nothing"), "do not begin as a sealed stream"),
        (lambda folder: (folder / "artefacts/big").unlink(), "there is no INC-2026-0007/web/first/artefacts/big"),
        (swapped, "artefacts/big"),
        (rewrite("custody/000002.json", said("forged")), "entry 3 does not follow"),
        (rewrite("custody/000004.json", said("forged")), "expected 4 custody entries ending in"),
        (lambda folder: (folder / "custody/000002.json").unlink(), "entry 2 is missing"),
        (lambda folder: (folder / "custody/000004.json").unlink(), "expected 4 custody entries ending in"),
        (rewrite("custody/000003.json", flip), "custody/000003.json"),
        (rewrite("manifest/manifest.json", lambda data: data.replace(b'"size":8', b'"size":9')), "is not what custody"),
        (rewrite("manifest/manifest.json", lambda _: b"{}"), "is not a manifest"),
    ],
)  # fmt: skip
def test_whatever_was_done_to_it_is_found(
    vault: FolderVault, full: Path, change: Change, expected: str
) -> None:
    change(full)
    faults = [fault for verdict in verify(vault) for fault in verdict.faults]
    assert any(expected in fault for fault in faults), faults


def test_an_artefact_that_somebody_put_there_is_found(vault: FolderVault, full: Path) -> None:
    vault.put(place("planted"), [b"not ours"])
    faults = [fault for verdict in verify(vault) for fault in verdict.faults]
    assert faults == [
        "INC-2026-0007/web/first/artefacts/planted: no custody entry says where it comes from"
    ]
    (full / "readme.txt").write_text("hello")
    assert vault.strangers() == ["INC-2026-0007/web/first/readme.txt"]


def test_a_sealed_file_under_another_name_does_not_open(vault: FolderVault, full: Path) -> None:
    (full / "artefacts/copy").write_bytes((full / "artefacts/big").read_bytes())
    with pytest.raises(Tampered):
        vault.examine(place("copy"))


def test_without_the_key_the_clear_text_is_said_to_be_unchecked(full: Path) -> None:
    other = FolderVault(full.parents[2], KeyRing.fresh)
    faults = verify(other)[0].faults
    assert len(faults) == 3
    assert all("its clear text was not checked: key" in fault for fault in faults)


def test_a_chain_that_does_not_hold_is_not_written_to(vault: FolderVault, full: Path) -> None:
    rewrite("custody/000002.json", said("forged"))(full)
    with pytest.raises(Broken, match="entry 3 does not follow the entry before it"):
        Chain(vault, **OF).load()


def test_a_chain_cannot_fork(vault: FolderVault) -> None:
    one, other = Chain(vault, **OF), Chain(vault, **OF)
    one.append(entry(Touch.BEGAN, "web"))
    with pytest.raises(AlreadyThere):
        other.append(entry(Touch.BEGAN, "web"))
    assert len(Chain(vault, **OF).load().entries) == 1
