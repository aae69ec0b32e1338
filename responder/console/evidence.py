"""What evidence of an incident is kept, by its manifests, and one object of it for whoever may have it."""

import asyncio
import base64
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

import structlog
from starlette.responses import Response, StreamingResponse

from responder.api.route import Call, Problem
from responder.audit import Entry, append
from responder.console.pages import Pages
from responder.errors import ResponderError
from responder.incident import Frozen
from responder.people.person import Permission
from responder.settings import Settings

if TYPE_CHECKING:
    from responder.evidence.folder import FolderVault
    from responder.evidence.model import Artefact

log = structlog.get_logger(__name__)
routes = Pages()


class Kept(Frozen):
    """One artefact, as its manifest says."""

    name: str
    size: int
    sha256: str
    acquired: datetime
    path: str
    cut: bool = False


class Collected(Frozen):
    """One collection, as its manifest says; without one it is not complete."""

    host: str
    collection: str
    complete: bool
    began: datetime | None = None
    actor: str = ""
    manifest: str = ""
    artefacts: tuple[Kept, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    custody: int = 0

    @property
    def size(self) -> int:
        """Bytes of clear text."""
        return sum(one.size for one in self.artefacts)


class Evidence(Frozen):
    """Where an incident's evidence is, and what of it could be read here."""

    where: str = ""
    collections: tuple[Collected, ...] = ()
    said: str = ""


@routes.get("/incidents/{incident}/evidence", Permission.EVIDENCE_READ)
async def download_evidence(call: Call) -> Response:
    """One artefact's clear bytes, by `path`, as its manifest names them; that it was read is audited."""
    from responder.evidence.settings import InS3  # noqa: PLC0415 - with what it needs

    served, incident = call.served, call.path("incident")
    wanted = call.request.query_params.get("path", "")
    if isinstance(served.settings.vaulted.evidence.vault, InS3):
        raise Problem(404, "evidence is kept in a bucket, which is not read here; nothing was sent")
    try:
        artefact, chunks = await asyncio.to_thread(_open, served.settings, incident, wanted)
    except ResponderError as error:
        log.warning("evidence_not_read", incident=incident, error=f"{error}"[:300])
        raise Problem(503, f"{error}; nothing was sent") from error
    if artefact is None:
        raise Problem(404, f"no evidence of {incident} is kept as {wanted[:200]!r}")
    now = served.store.now()
    async with served.store.transaction() as tx:
        data = {"path": wanted, "size": artefact.size, "sha256": artefact.vault_sha256}
        entry = Entry(
            kind="evidence read",
            actor=call.person.name,
            subject=wanted,
            incident=incident,
            data=data,
        )
        await append(tx, now, entry)
    name = "-".join(part for part in (incident, *wanted.split("/")) if part != "artefacts")
    plain = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "_" for c in name)
    digest = base64.b64encode(bytes.fromhex(artefact.vault_sha256)).decode()
    headers = {
        "content-length": str(artefact.size),
        "content-disposition": f'attachment; filename="{plain}"',
        "repr-digest": f"sha-256=:{digest}:",  # RFC 9530
    }
    return StreamingResponse(
        _sent(chunks, artefact), media_type="application/octet-stream", headers=headers
    )


async def kept(settings: Settings, incident: str) -> Evidence:
    """The collections of an incident in the folder of this machine."""
    from responder.evidence.settings import InS3  # noqa: PLC0415 - with what it needs

    vaulted = settings.vaulted
    if isinstance(vaulted.evidence.vault, InS3):
        bucket = vaulted.evidence.vault.bucket
        return Evidence(
            where=bucket, said=f"Evidence is kept in the bucket {bucket}, not read here."
        )
    if not (vaulted.folder / incident).is_dir():
        return Evidence(where=str(vaulted.folder))
    try:
        return await asyncio.to_thread(_read, settings, incident)
    except Exception as error:  # noqa: BLE001 - a page about an incident is shown whatever its evidence is
        log.warning("evidence_not_read", incident=incident, error=f"{error}"[:300])
        return Evidence(said="Its manifests could not be read: responder evidence verify says why.")


def _vault(settings: Settings) -> "FolderVault":
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415 - as above
    from responder.evidence.folder import FolderVault  # noqa: PLC0415

    return FolderVault(settings.vaulted.folder, lambda: KeyRing.load(settings.vaulted.ring))


def _read(settings: Settings, incident: str) -> Evidence:
    from responder.evidence.vault import Kind, Place  # noqa: PLC0415 - as above
    from responder.evidence.verify import manifest_of  # noqa: PLC0415

    vault = _vault(settings)
    found: dict[tuple[str, str], Collected] = {}
    for place in vault.places(incident):
        key = (place.host, place.collection)
        found.setdefault(
            key, Collected(host=place.host, collection=place.collection, complete=False)
        )
        if place.kind is not Kind.MANIFEST:
            continue
        manifest, digest = manifest_of(vault, place)
        of = {"case": incident, "host": place.host, "collection": place.collection}
        found[key] = Collected(
            host=place.host,
            collection=place.collection,
            complete=True,
            began=manifest.began,
            actor=manifest.actor,
            manifest=digest,
            artefacts=tuple(
                Kept(
                    name=a.name,
                    size=a.size,
                    sha256=a.vault_sha256,
                    acquired=a.acquired,
                    path=Place(**of, kind=Kind.ARTEFACT, name=a.name).path.partition("/")[2],
                    cut=a.limit is not None,
                )
                for a in manifest.artefacts
            ),
            missing=tuple((m.name, m.why) for m in manifest.missing),
            custody=manifest.custody_entries,
        )
    return Evidence(where=str(settings.vaulted.folder), collections=tuple(found.values()))


def _open(
    settings: Settings, incident: str, wanted: str
) -> tuple["Artefact | None", Iterator[bytes]]:
    """The artefact that a manifest lists at *wanted*, and its bytes, of which the first are there already."""
    from responder.evidence.vault import Kind, Place  # noqa: PLC0415 - as above
    from responder.evidence.verify import manifest_of, manifest_place  # noqa: PLC0415

    vault, nothing = _vault(settings), iter(())
    try:
        place = Place.at(f"{Place.folder_of(incident)}{wanted}")
    except ValueError:
        return None, nothing
    written = manifest_place(place.case, place.host, place.collection)
    if place.kind is not Kind.ARTEFACT or written not in vault.places(incident):
        return None, nothing
    manifest, _ = manifest_of(vault, written)
    artefact = next((one for one in manifest.artefacts if one.name == place.name), None)
    if artefact is None:
        return None, nothing
    chunks = vault.get(place)
    first = next(chunks, b"")  # whatever keeps it from being read is known before anything is sent
    return artefact, _checked(first, chunks, artefact)


def _checked(first: bytes, rest: Iterator[bytes], artefact: "Artefact") -> Iterator[bytes]:
    """The bytes, the last of them only if all of them are what the manifest says."""
    import hashlib  # noqa: PLC0415 - beside its one use

    digest, held = hashlib.sha256(first), first
    for chunk in rest:
        yield held
        digest.update(chunk)
        held = chunk
    if digest.hexdigest() != artefact.vault_sha256:
        raise ResponderError(f"{artefact.name}: it is not what its manifest says; not all was sent")
    yield held


async def _sent(chunks: Iterator[bytes], artefact: "Artefact") -> AsyncIterator[bytes]:
    """*chunks*, read in a thread; a fault cuts the connection, so that nobody takes it to be whole."""
    ended = object()
    while True:
        try:
            chunk = await asyncio.to_thread(next, chunks, ended)
        except Exception as error:
            log.error("evidence_cut_off", artefact=artefact.name, error=f"{error}"[:300])
            raise
        if chunk is ended:
            return
        yield bytes(chunk)  # type: ignore[call-overload]
