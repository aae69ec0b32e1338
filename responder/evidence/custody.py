"""
The chain of custody: one entry for each touch, each linked to the one before it by its digest.

An entry is written once, as an object of the vault of its own: two writers cannot both write the
same number, so that a chain cannot fork. Cutting off its end is found by the manifest, which names
the last entry; the digest of the manifest is in the receipt, and so in the audit.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from pydantic import Field

from responder.digest import Digest, digest_of
from responder.evidence.model import Artefact, Clock, Tool
from responder.evidence.vault import Kind, Place, Vault
from responder.incident import Frozen

GENESIS = "0" * 64


class Touch(StrEnum):
    """What was done."""

    BEGAN = "began"
    RESUMED = "resumed"
    STEP_BEGAN = "step_began"
    ACQUIRED = "acquired"
    NOT_ACQUIRED = "not_acquired"
    WAIVED = "waived"
    SET_ASIDE = "set_aside"  # kept without a digest from the source: taken again beside it


class Entry(Frozen):
    """One touch: when, by whom, with what, to what."""

    seq: int = Field(ge=1)
    at: datetime = Field(description="UTC, by our clock.")
    clock: Clock | None = Field(
        description="The host's clock against ours; none where there is none."
    )
    actor: str = Field(description="The hold that asked: run, step, action and point.")
    touch: Touch
    subject: str = Field(description="The artefact or step.")
    tools: tuple[Tool, ...] = ()
    command: str = Field(default="", description="Exactly what was run on the host.")
    artefact: Artefact | None = None
    said: str = ""
    previous: Digest = Field(description="The digest of the entry before; zeros for the first.")

    @property
    def digest(self) -> Digest:
        """SHA-256 over the entry's canonical JSON (RFC 8785)."""
        return digest_of(self.model_dump(mode="json"))


class Chain:
    """The custody chain of one collection, in a vault."""

    def __init__(self, vault: Vault, case: str, host: str, collection: str) -> None:
        self._vault = vault
        self._of = {"case": case, "host": host, "collection": collection}
        self.entries: list[Entry] = []

    def load(self) -> "Chain":
        """Read the chain. Raises `Broken` where a link does not hold."""
        places = [p for p in self._vault.places(self._of["case"]) if self._has(p)]
        self.entries = [
            Entry.model_validate_json(b"".join(self._vault.get(place))) for place in places
        ]
        if fault := broken(self.entries):
            raise Broken(f"the custody chain of {'/'.join(self._of.values())}: {fault}")
        return self

    @property
    def head(self) -> Digest:
        """The digest of the last entry."""
        return self.entries[-1].digest if self.entries else GENESIS

    def append(self, entry: Entry) -> Entry:
        """Write *entry* as the next link. Raises `AlreadyThere` if another writer was first."""
        linked = entry.model_copy(update={"seq": len(self.entries) + 1, "previous": self.head})
        place = Place(**self._of, kind=Kind.CUSTODY, name=f"{linked.seq:06d}.json")
        self._vault.put(place, [linked.model_dump_json(indent=1).encode() + b"\n"])
        self.entries.append(linked)
        return linked

    def acquired(self) -> dict[str, Artefact]:
        """What is acquired so far, by what was asked for; an artefact's own name may differ."""
        return {
            entry.subject: entry.artefact
            for entry in self.entries
            if entry.touch is Touch.ACQUIRED and entry.artefact is not None
        }

    def _has(self, place: Place) -> bool:
        return place.kind is Kind.CUSTODY and {
            "case": place.case, "host": place.host, "collection": place.collection
        } == self._of  # fmt: skip


class Broken(ValueError):
    """A custody chain does not hold."""


def broken(entries: Iterable[Entry]) -> str:
    """What is wrong with a chain; empty if every link holds."""
    previous, expected = GENESIS, 1
    for entry in entries:
        if entry.seq != expected:
            return f"entry {expected} is missing; entry {entry.seq} stands in its place"
        if entry.previous != previous:
            return f"entry {entry.seq} does not follow the entry before it: one of them was changed"
        previous, expected = entry.digest, expected + 1
    return ""
