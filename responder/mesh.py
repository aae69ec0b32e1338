"""How a host takes part in a Nebula mesh, as settings describe it."""

from datetime import timedelta
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field, StringConstraints

from responder.access import Access
from responder.incident import Frozen

# A certificate's fingerprint is SHA-256 in hex: `nebula-cert print -json`.
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class NebulaNode(Frozen):
    """A lighthouse or a node of the mesh: each refuses certificates by its own list."""

    config: PurePosixPath = Field(
        default=PurePosixPath("/etc/nebula/config.yml"),
        description="The file that its daemon is started with (`-config`).",
    )
    certificate: PurePosixPath = Field(
        default=PurePosixPath("/etc/nebula/host.crt"), description="Its certificate there."
    )
    name: str = Field(
        default="", description="The name in its certificate; none: the host's in the inventory."
    )
    fingerprint: Fingerprint | None = Field(
        default=None,
        description="Its certificate's fingerprint; none: asked of the host itself when it is to be "
        "isolated, which a dead host cannot say and an attacker on it can falsify.",
    )
    log: PurePosixPath | None = Field(
        default=None, description="The daemon's log file, if it writes one: read as further proof."
    )
    nebula: str = Field(default="/usr/bin/nebula", description="The nebula binary there.")
    nebula_cert: str = Field(
        default="/usr/bin/nebula-cert", description="The nebula-cert binary there."
    )


class MeshAuthority(Frozen):
    """Where the mesh's certificates are signed: its key never leaves there."""

    access: Access = Field(description="How to reach the machine that has the authority's key.")
    certificate: PurePosixPath = Field(
        default=PurePosixPath("/etc/nebula/ca.crt"),
        description="The authority's certificate there.",
    )
    key: PurePosixPath = Field(
        default=PurePosixPath("/etc/nebula/ca.key"),
        description="The authority's private key there, without a passphrase.",
    )
    duration: timedelta = Field(
        default=timedelta(days=90),
        ge=timedelta(minutes=5),
        description="How long a new certificate is valid; it must end before the authority's own.",
    )
    nebula_cert: str = Field(
        default="/usr/bin/nebula-cert", description="The nebula-cert binary there."
    )


class Mesh(Frozen):
    """A Nebula mesh as a whole; what takes part in it are hosts with `nebula`."""

    authority: MeshAuthority | None = Field(
        default=None, description="Who signs its certificates; none: they are not rotated."
    )
