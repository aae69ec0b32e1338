"""What was taken: artefacts with the digests of both ends, and the manifest of one collection."""

from datetime import datetime

from pydantic import Field

from responder.digest import Digest
from responder.evidence.volatility import Waiver
from responder.incident import Frozen, Name


class Clock(Frozen):
    """How far a host's clock was from ours when it was read."""

    offset_ms: int = Field(description="The host's time less ours, in milliseconds.")
    within_ms: int = Field(description="Half the round trip: how wrong the offset may be.")


class Tool(Frozen):
    """A program as it was found on the host; it may itself have been changed there."""

    name: Name
    path: str
    sha256: Digest
    version: str = Field(default="", description="The first line it says of itself, if it does.")


class Artefact(Frozen):
    """One thing that was taken: acquired only because both digests agree."""

    name: Name = Field(description="Its name in the collection, such as `network/sockets`.")
    kind: Name = Field(description="Which collector made it.")
    size: int = Field(ge=0, description="Bytes of clear text.")
    source_sha256: Digest = Field(description="Computed on the host, in the pass that sent it.")
    vault_sha256: Digest = Field(description="Computed over what the vault gave back.")
    kept_sha256: Digest = Field(description="Of the object as the vault keeps it, sealed or not.")
    version: str = Field(description="The vault's version of the object.")
    acquired: datetime = Field(description="UTC, by our clock.")
    limit: int | None = Field(
        default=None, description="The limit in bytes that it reached: there was more, or may be."
    )
    status: int = Field(default=0, description="The exit status of its command.")
    complaint: str = Field(default="", description="The first words of its standard error.")


class Missing(Frozen):
    """Something that was to be taken and was not."""

    name: Name
    why: str


class Manifest(Frozen):
    """All of one collection, written last: where it is, the collection is complete."""

    case: Name
    host: Name
    collection: Name
    profile: Name
    actor: str
    began: datetime
    clock: Clock
    artefacts: tuple[Artefact, ...]
    waived: tuple[Waiver, ...]
    missing: tuple[Missing, ...]
    custody_entries: int = Field(description="How long the custody chain is.")
    custody_head: Digest = Field(description="The digest of its last entry.")
