"""`responder evidence`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from responder.cli.say import NOT_FOUND, UNVERIFIED, USAGE, Stop, put, table, talk

if TYPE_CHECKING:
    from responder.evidence.folder import FolderVault

app = typer.Typer(help="The evidence kept in a folder of this machine.", no_args_is_help=True)
JSON = typer.Option(False, "--json", help="Print JSON.")
FOLDER = typer.Option(None, "--folder", help="The vault's folder; none: the one in the settings.")
INCIDENT = typer.Option("", help="Only that of this incident.")


@app.command("list")
def list_evidence(
    incident: str = INCIDENT, folder: Path | None = FOLDER, as_json: bool = JSON
) -> None:
    """What is kept: every collection with its size, as its manifest and its files say."""
    from responder.evidence.vault import Kind  # noqa: PLC0415
    from responder.evidence.verify import manifest_of  # noqa: PLC0415

    vault = _vault(folder)
    places = vault.places(incident or None)
    keys = dict.fromkeys((p.case, p.host, p.collection) for p in places)
    manifests = {
        (p.case, p.host, p.collection): manifest_of(vault, p)[0]
        for p in places
        if p.kind is Kind.MANIFEST
    }
    if as_json:
        put(
            [
                {"case": case, "host": host, "collection": collection}
                | {"manifest": found.model_dump(mode="json") if found else None}
                for case, host, collection in keys
                for found in [manifests.get((case, host, collection))]
            ]
        )
        return
    rows = []
    for key in keys:
        found = manifests.get(key)
        rows.append(
            (*key, "not complete", "", "", "") if found is None else
            (*key, f"{found.began:%Y-%m-%d %H:%M:%S}", len(found.artefacts),
             sum(artefact.size for artefact in found.artefacts), len(found.missing))
        )  # fmt: skip
    columns = ("incident", "host", "collection", "begun (UTC)", "artefacts", "bytes", "missing")
    table(columns, rows, empty="no evidence is kept")


@app.command()
def verify(incident: str = INCIDENT, folder: Path | None = FOLDER, as_json: bool = JSON) -> None:
    """Read everything back: every digest, every link of custody; names all that does not hold."""
    from responder.evidence.verify import verify as verified  # noqa: PLC0415

    vault = _vault(folder)
    verdicts = verified(vault, incident or None)
    strangers = vault.strangers()
    if as_json:
        collections = [verdict.model_dump(mode="json") for verdict in verdicts]
        put({"collections": collections, "strangers": strangers})
    faults = [fault for verdict in verdicts for fault in verdict.faults]
    faults += [f"{path}: the vault did not write it" for path in strangers]
    if faults:
        raise Stop(UNVERIFIED, "\n".join(faults))
    if incident and not verdicts:
        raise Stop(NOT_FOUND, f"{vault.where}: no evidence of {incident} is kept")
    complete = sum(verdict.complete for verdict in verdicts)
    talk(
        f"{len(verdicts)} collections hold, {complete} of them complete: "
        f"{sum(v.artefacts for v in verdicts)} artefacts, {sum(v.bytes for v in verdicts)} bytes, "
        f"{sum(v.entries for v in verdicts)} custody entries"
    )


@app.command()
def show(
    path: str = typer.Argument(help="CASE/HOST/COLLECTION/artefacts/NAME, as `verify` names it."),
    folder: Path | None = FOLDER,
) -> None:
    """One object's clear bytes, on standard output; nothing is said if they were changed but why."""
    from responder.evidence.vault import Place  # noqa: PLC0415

    try:
        place = Place.at(path)
    except ValueError as error:
        raise Stop(USAGE, f"{path}: expected CASE/HOST/COLLECTION/artefacts/NAME") from error
    for chunk in _vault(folder).get(place):
        sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


def _vault(folder: Path | None) -> "FolderVault":
    """The vault in *folder*, or in the one of the settings."""
    from responder.crypto.keyring import KeyRing  # noqa: PLC0415
    from responder.evidence.folder import FolderVault  # noqa: PLC0415
    from responder.evidence.settings import InS3  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    settings = read_settings()
    vaulted = settings.vaulted
    if folder is None and isinstance(vaulted.evidence.vault, InS3):
        bucket = vaulted.evidence.vault.bucket
        raise Stop(USAGE, f"evidence is kept in the bucket {bucket}; this reads folders: --folder")
    where = folder or vaulted.folder
    if not where.is_dir():
        raise Stop(NOT_FOUND, f"{where}: no evidence is kept there")
    return FolderVault(where, lambda: KeyRing.load(vaulted.ring))
