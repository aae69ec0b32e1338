"""Evidence on an incident's page: what is kept, by its manifests, and its bytes for those who may."""

import base64
import hashlib
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import select

from responder.crypto.keyring import KeyRing
from responder.evidence.custody import Chain, Touch
from responder.evidence.folder import FolderVault
from responder.evidence.model import Artefact, Clock, Manifest
from responder.evidence.vault import Kind, Place
from responder.evidence.verify import manifest_place
from responder.store.tables import audit
from tests.console.forms import Plain
from tests.console.ground import Ground
from tests.evidence.test_folder import AT, entry

pytestmark = pytest.mark.asyncio(loop_scope="package")

SECRET = b"root:$y$j9T$a-hash\n"
CONTENTS = {"files/etc shadow": SECRET, "memory/7-1": bytes(range(256)) * 1200}


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def kept(ground: Ground) -> AsyncIterator[str]:
    """An incident with one collection of web1; returns its id."""
    name, _ = await ground.incident(title="Evidence is kept of it")
    vaulted = ground.settings.vaulted
    vault = FolderVault(vaulted.folder, lambda: KeyRing.load(vaulted.ring))
    of = {"case": name, "host": "web1", "collection": "first"}
    chain, made = Chain(vault, **of), []
    chain.append(entry(Touch.BEGAN, "web1"))
    for what, content in CONTENTS.items():
        stored = vault.put(Place(**of, kind=Kind.ARTEFACT, name=what), [content])
        artefact = Artefact(
            name=what, kind="test", size=len(content), source_sha256=hashlib.sha256(content).hexdigest(),
            vault_sha256=stored.sha256, kept_sha256=stored.kept_sha256, version=stored.version, acquired=AT,
        )  # fmt: skip
        chain.append(entry(Touch.ACQUIRED, what, artefact))
        made.append(artefact)
    manifest = Manifest(
        **of, profile="triage", actor="run", began=AT, clock=Clock(offset_ms=1, within_ms=1),
        artefacts=tuple(made), waived=(), missing=(), custody_entries=len(chain.entries),
        custody_head=chain.head,
    )  # fmt: skip
    vault.put(manifest_place(**of), [manifest.model_dump_json().encode()])
    yield name


def at(incident: str, path: str) -> str:
    return f"/incidents/{incident}/evidence?path={path}"


async def test_what_is_kept_is_listed_with_sizes_times_and_digests(
    ground: Ground, kept: str
) -> None:
    async with Plain(ground, "vic") as vic:
        text = (await vic.open(f"/incidents/{kept}")).text
    for content in CONTENTS.values():
        assert hashlib.sha256(content).hexdigest() in text
    assert "2 artefacts, 307.2 kB" in text
    assert "2026-11-21" in text or "21 Nov" in text
    assert "3 entries of custody" in text
    assert "/evidence?path=" not in text, "a viewer sees what is kept, and has no link to it"


async def test_whoever_may_reads_it_and_that_is_audited(ground: Ground, kept: str) -> None:
    async with Plain(ground, "ana") as ana:
        page = await ana.open(f"/incidents/{kept}")
        path = "web1/first/artefacts/files/etc%2520shadow"
        assert f'href="/incidents/{kept}/evidence?path={path}"' in page.text
        answer = await ana.get(at(kept, path))
        whole = await ana.get(at(kept, "web1/first/artefacts/memory/7-1"))
    assert (answer.status_code, answer.content) == (200, SECRET)
    assert whole.content == CONTENTS["memory/7-1"]
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment; filename=")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    digest = base64.b64encode(hashlib.sha256(SECRET).digest()).decode()
    assert answer.headers["repr-digest"] == f"sha-256=:{digest}:"
    async with ground.store.reading() as tx:
        query = select(audit).where(audit.c.incident == kept, audit.c.kind == "evidence read")
        rows = (await tx.execute(query.order_by(audit.c.seq))).all()
    assert [(row.actor, row.data["size"]) for row in rows] == [
        ("ana", len(SECRET)), ("ana", len(CONTENTS["memory/7-1"])),
    ]  # fmt: skip


async def test_whoever_may_not_reads_nothing(ground: Ground, kept: str) -> None:
    async with Plain(ground, "vic") as vic:
        answer = await vic.get(at(kept, "web1/first/artefacts/memory/7-1"))
    assert answer.status_code == 403
    assert "vic may not evidence:read" in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "web1/first/artefacts/nothing", "web1/first/custody/000001.json", "web1/first/manifest/manifest.json",
        "../../../responder.sqlite", "web1/first/artefacts/../manifest/manifest.json", "", "%00",
        "web1/second/artefacts/memory/7-1",
    ],
)  # fmt: skip
async def test_what_no_manifest_names_is_not_there(ground: Ground, kept: str, path: str) -> None:
    async with Plain(ground, "ana") as ana:
        answer = await ana.get(at(kept, path))
        other = await ana.get(at("IR-9999", "web1/first/artefacts/memory/7-1"))
    assert answer.status_code == other.status_code == 404
    assert "no evidence of" in answer.text


async def test_what_was_changed_behind_our_back_is_not_sent_as_if_it_were_whole(
    ground: Ground, kept: str
) -> None:
    place = Place(case=kept, host="web1", collection="first", kind=Kind.ARTEFACT, name="memory/7-1")
    file = ground.settings.vaulted.folder / place.path
    good, mode = file.read_bytes(), file.stat().st_mode
    file.chmod(0o600)
    wanted = at(kept, "web1/first/artefacts/memory/7-1")
    try:
        async with Plain(ground, "ana") as ana:
            file.write_bytes(good[:300] + bytes([good[300] ^ 1]) + good[301:])
            answer = await ana.get(wanted)
            assert answer.status_code == 503
            assert "nothing was sent" in answer.text
            file.write_bytes(good[:-9] + bytes([good[-9] ^ 1]) + good[-8:])
            with pytest.raises(httpx.RemoteProtocolError, match=r"incomplete|without sending"):
                await ana.get(wanted)
    finally:
        file.write_bytes(good)
        file.chmod(mode)
