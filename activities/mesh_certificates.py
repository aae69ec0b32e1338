"""Certificates by which hosts take part in a Nebula mesh."""

from typing import ClassVar

from pydantic import Field

from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier


class RotateMeshCertificate(Action[bool]):
    """
    Give a host of a Nebula mesh a new key and certificate of the same name, address, groups and subnets.

    Its state is whether the host has the pair of this incident and its daemon was told. The host makes
    the key, which never leaves it. The old certificate stays valid until it expires or is listed in
    `pki.blocklist`, so this alone is no answer to a key that others have.
    """

    reversible: ClassVar[bool] = False
    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = (
        "on the host: write the folder of its certificate, nebula-cert keygen, nebula -test, kill -HUP",
        "at the authority: read its key, nebula-cert sign",
        "on every peer: read nebula's configuration",
    )
    d3fend: ClassVar[str] = "D3-CRO"  # Credential Rotation

    host: Name = Field(description="The host's name in the inventory.")
    incident: str = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,79}$",
        description="The incident's number; each incident makes one new pair.",
    )

    def desired(self, before: bool) -> bool:
        return True

    def touches(self) -> Indicators:
        return Indicators(hosts=(self.host,))

    def __str__(self) -> str:
        return f"rotate the mesh certificate of {self.host}"
