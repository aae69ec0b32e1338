"""Checking kept evidence: every digest, every link of every custody chain, and that nothing is missing."""

import json
from collections.abc import Iterable, Iterator

from pydantic import Field, ValidationError

from responder.crypto.keyring import UnknownKey
from responder.digest import digest_of
from responder.errors import StateError
from responder.evidence.custody import GENESIS, Entry, Touch, broken
from responder.evidence.model import Artefact, Manifest
from responder.evidence.vault import Kind, Place, Vault
from responder.incident import Frozen


class Verdict(Frozen):
    """How one collection stands."""

    case: str
    host: str
    collection: str
    complete: bool = Field(description="Whether its manifest is there.")
    artefacts: int = 0
    bytes: int = 0
    entries: int = 0
    manifest_sha256: str = ""
    faults: tuple[str, ...] = ()


def verify(vault: Vault, case: str | None = None) -> list[Verdict]:
    """Every collection of the vault, or of one case, each with all that is wrong with it."""
    return [
        _Collection(vault, key, places).verdict()
        for key, places in _collections(vault.places(case)).items()
    ]


def manifest_of(vault: Vault, place: Place) -> tuple[Manifest, str]:
    """A manifest and its digest (SHA-256 over canonical JSON). Raises `StateError` if it is none."""
    try:
        found = Manifest.model_validate_json(b"".join(vault.get(place)))
    except ValidationError as error:
        raise StateError(
            f"{vault.where}: {place.path} is not a manifest: {_first(error)}"
        ) from error
    return found, digest_of(json.loads(found.model_dump_json()))


def manifest_place(case: str, host: str, collection: str) -> Place:
    """Where a collection's manifest is kept."""
    return Place(
        case=case, host=host, collection=collection, kind=Kind.MANIFEST, name="manifest.json"
    )


def _collections(places: Iterable[Place]) -> dict[tuple[str, str, str], list[Place]]:
    found: dict[tuple[str, str, str], list[Place]] = {}
    for place in places:
        found.setdefault((place.case, place.host, place.collection), []).append(place)
    return found


class _Collection:
    """One collection under the eyes of `verify`."""

    def __init__(self, vault: Vault, key: tuple[str, str, str], places: list[Place]) -> None:
        self._vault = vault
        self._key = key
        self._places = places
        self._size = 0

    def verdict(self) -> Verdict:
        """Everything that is wrong, in the order: custody, artefacts, manifest, strangers."""
        entries, faults = self._custody()
        acquired = {
            e.artefact.name: e.artefact for e in entries
            if e.touch is Touch.ACQUIRED and e.artefact is not None
        }  # fmt: skip
        for artefact in acquired.values():
            faults += self._artefact(artefact)
        manifest, digest, wrong = self._manifest(entries, acquired)
        aside = {e.subject for e in entries if e.touch in {Touch.SET_ASIDE, Touch.NOT_ACQUIRED}}
        faults += [
            *wrong,
            *(
                f"{place.path}: no custody entry says where it comes from"
                for place in self._places
                if place.kind is Kind.ARTEFACT and place.name not in {*acquired, *aside}
                and (manifest is not None)
            ),
        ]  # fmt: skip
        case, host, collection = self._key
        return Verdict(
            case=case, host=host, collection=collection, complete=manifest is not None,
            artefacts=len(acquired), bytes=self._size, entries=len(entries),
            manifest_sha256=digest, faults=tuple(faults),
        )  # fmt: skip

    def _custody(self) -> tuple[list[Entry], list[str]]:
        entries: list[Entry] = []
        for place in self._of(Kind.CUSTODY):
            try:
                entries.append(Entry.model_validate_json(b"".join(self._vault.get(place))))
            except (StateError, ValidationError) as error:
                return entries, [f"{place.path}: {_first(error)}"]
        fault = broken(entries)
        return entries, [f"custody chain: {fault}"] if fault else []

    def _artefact(self, artefact: Artefact) -> list[str]:
        case, host, collection = self._key
        place = Place(
            case=case, host=host, collection=collection, kind=Kind.ARTEFACT, name=artefact.name
        )
        try:
            found = self._vault.examine(place)
        except UnknownKey as error:
            return [f"{place.path}: its clear text was not checked: {error}"]
        except StateError as error:
            return [f"{place.path}: {error}"]
        self._size += found.size
        wanted = {
            "size": (artefact.size, found.size),
            "version": (artefact.version, found.version),
            "SHA-256 at the source": (artefact.source_sha256, found.sha256),
            "SHA-256 in the vault": (artefact.vault_sha256, found.sha256),
            "SHA-256 as kept": (artefact.kept_sha256, found.kept_sha256),
        }
        return [
            f"{place.path}: expected {what} {expected} but found {now}"
            for what, (expected, now) in wanted.items()
            if expected != now
        ]

    def _manifest(
        self, entries: list[Entry], acquired: dict[str, Artefact]
    ) -> tuple[Manifest | None, str, list[str]]:
        places = list(self._of(Kind.MANIFEST))
        if not places:
            return None, "", []
        try:
            manifest, digest = manifest_of(self._vault, places[0])
        except StateError as error:
            return None, "", [str(error)]
        head = entries[-1].digest if entries else GENESIS
        faults = []
        if (manifest.custody_entries, manifest.custody_head) != (len(entries), head):
            faults.append(
                f"manifest: expected {manifest.custody_entries} custody entries ending in "
                f"{manifest.custody_head[:12]} but found {len(entries)} ending in {head[:12]}"
            )
        listed = {artefact.name: artefact for artefact in manifest.artefacts}
        faults += [
            f"manifest: {name} is not what custody says of it"
            for name in sorted({*listed, *acquired})
            if listed.get(name) != acquired.get(name)
        ]
        return manifest, digest, faults

    def _of(self, kind: Kind) -> Iterator[Place]:
        return (place for place in self._places if place.kind is kind)


def _first(error: Exception) -> str:
    if isinstance(error, ValidationError):
        one = error.errors()[0]
        return f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}"
    return str(error)
