"""X.509 certificates that are renewed before they expire."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from responder.contract import Action, Lookup
from responder.incident import Frozen, Indicators, Name
from responder.policy.tiers import Tier
from responder.secrets.contract import VersionId


class Renewal(StrEnum):
    """How far one renewal of a certificate is."""

    DUE = "due"
    """Another certificate than the renewal's own is in the file."""
    INSTALLED = "installed"
    """The renewal's certificate is in the file, and not shown to be in use."""
    RENEWED = "renewed"


class RenewCertificate(Action[Renewal]):
    """
    Replace a certificate and its key by new ones; the certificate before it is valid until it expires.

    Done once and held by nothing: taking a certificate back that is in use since would be an outage.
    """

    reversible: ClassVar[bool] = False
    # Peers that trust the authority notice nothing, but one that pinned the old certificate does not
    # come right alone: `recovers` stays false, and what the settings do not name is asked for.
    tier: ClassVar[Tier] = Tier.T2
    try_for: ClassVar[timedelta] = timedelta(minutes=10)  # each try makes the service reload
    permissions: ClassVar[tuple[str, ...]] = (
        "the authority: read its certificate and key",
        "root on the host, or the owner of both files and their folders: read and replace them",
        "the reload command",
    )
    d3fend: ClassVar[str] = "D3-CRO"  # Credential Rotation

    certificate: Name = Field(
        description="Its name, as `certificate_rotation.certificates` has it."
    )
    renewal: VersionId = Field(
        description="Names this renewal: the new certificate's serial number begins with it, so a retry "
        "knows what it made before."
    )

    def desired(self, before: Renewal) -> Renewal:
        return Renewal.RENEWED

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.certificate,))

    def __str__(self) -> str:
        return f"planned: renew the certificate {self.certificate} with a new key"


class CertificateFacts(Frozen):
    """A certificate in use; never its key."""

    name: str
    host: str
    serial: str = Field(default="", description="Hex.")
    fingerprint: str = Field(default="", description="SHA-256 of its DER, hex.")
    not_after: datetime | None = Field(
        default=None,
        description="When it expires; UTC. Of the file's and the served one the earlier.",
    )
    days_left: float = Field(default=0, description="Days until then; negative if it is expired.")
    problem: str = Field(default="", description="Why it cannot be known; empty if it is.")

    def __str__(self) -> str:
        if self.not_after is None:
            return f"{self.name} on {self.host}: {self.problem}"
        return f"{self.name} on {self.host}: {self.days_left:.0f} days left, {self.serial}"


class ExpiringCertificates(Lookup[list[CertificateFacts]]):
    """
    Which managed certificates of some names or hosts expire soon, as their files and servers show.

    One that cannot be read is among them, with its problem: unknown is never taken for good.
    """

    names: tuple[str, ...] = Field(default=(), description="Names, such as an incident's accounts.")
    hosts: tuple[str, ...] = Field(default=(), description="Hosts: all certificates on them.")
    within: timedelta | None = Field(
        default=None, description="How soon; none: as `certificate_rotation.renew_before` says."
    )

    def __str__(self) -> str:
        return f"expiring certificates of {', '.join((*self.names, *self.hosts)) or 'nobody'}"
