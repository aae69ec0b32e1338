"""What evidence of an incident is kept, by its manifests; reading it back is `responder evidence`."""

import asyncio

import structlog

from responder.incident import Frozen
from responder.settings import Settings

log = structlog.get_logger(__name__)


class Collected(Frozen):
    """One collection, as its manifest says; without one it is not complete."""

    host: str
    collection: str
    complete: bool
    artefacts: tuple[tuple[str, int, str], ...] = ()
    missing: tuple[tuple[str, str], ...] = ()
    custody: int = 0


class Evidence(Frozen):
    """Where an incident's evidence is, and what of it could be read here."""

    where: str = ""
    collections: tuple[Collected, ...] = ()
    said: str = ""


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


def _read(settings: Settings, incident: str) -> Evidence:
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415 - as above
    from responder.evidence.folder import FolderVault  # noqa: PLC0415
    from responder.evidence.vault import Kind  # noqa: PLC0415
    from responder.evidence.verify import manifest_of  # noqa: PLC0415

    vaulted = settings.vaulted
    vault = FolderVault(vaulted.folder, lambda: KeyRing.load(vaulted.ring))
    found: dict[tuple[str, str], Collected] = {}
    for place in vault.places(incident):
        key = (place.host, place.collection)
        found.setdefault(
            key, Collected(host=place.host, collection=place.collection, complete=False)
        )
        if place.kind is Kind.MANIFEST:
            manifest, _ = manifest_of(vault, place)
            found[key] = Collected(
                host=place.host,
                collection=place.collection,
                complete=True,
                artefacts=tuple((a.name, a.size, a.vault_sha256) for a in manifest.artefacts),
                missing=tuple((m.name, m.why) for m in manifest.missing),
                custody=manifest.custody_entries,
            )
    return Evidence(where=str(vaulted.folder), collections=tuple(found.values()))
