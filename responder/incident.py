"""The facts: an alert as every sender can supply it, and the incident it opens or joins."""

from datetime import datetime
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Network = IPv4Network | IPv6Network
Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Category = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]


class Frozen(BaseModel):
    """A value: it cannot change once made, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Priority(StrEnum):
    """How urgent, from P1 (data leak, system compromise) to P4 (policy violation)."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"

    @property
    def rank(self) -> int:
        """1 for P1 up to 4 for P4: Temporal's priority key, and the order of urgency."""
        return int(self.value[1])


class Severity(StrEnum):
    """How bad the sender says it is, by the names of OCSF's `severity_id` 1 to 5."""

    INFORMATIONAL = "informational"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """OCSF's `severity_id`: 1 for informational up to 5 for critical."""
        return list(Severity).index(self) + 1


class Indicators(Frozen):
    """What an alert or an incident points at: the only things policy lets a machine act on alone."""

    networks: tuple[Network, ...] = ()
    hosts: tuple[Name, ...] = ()
    accounts: tuple[Name, ...] = ()

    def __or__(self, other: "Indicators") -> "Indicators":
        return Indicators(
            networks=tuple(dict.fromkeys((*self.networks, *other.networks))),
            hosts=tuple(dict.fromkeys((*self.hosts, *other.hosts))),
            accounts=tuple(dict.fromkeys((*self.accounts, *other.accounts))),
        )

    def __sub__(self, other: "Indicators") -> "Indicators":
        return Indicators(
            networks=tuple(n for n in self.networks if n not in other.networks),
            hosts=tuple(h for h in self.hosts if h not in other.hosts),
            accounts=tuple(a for a in self.accounts if a not in other.accounts),
        )

    def __bool__(self) -> bool:
        return bool(self.networks or self.hosts or self.accounts)


class Alert(Frozen):
    """One alert, normalised: the fields that triage and playbooks may rely on, whoever sent it."""

    id: Name = Field(description="The sender's stable key of this alert; equal ids are one alert.")
    source: Name = Field(description="The configured source it came from.")
    title: str = Field(max_length=500)
    rule: str = Field(default="", max_length=255, description="The detection that fired.")
    severity: Severity
    occurred: datetime = Field(description="When it happened, by the sender's clock; UTC.")
    techniques: tuple[str, ...] = Field(default=(), description="MITRE ATT&CK technique ids.")
    category: Category | None = Field(default=None, description="Only if the sender names ours.")
    networks: tuple[Network, ...] = Field(default=(), description="Where the attack comes from.")
    hosts: tuple[Name, ...] = Field(default=(), description="Our machines that are touched.")
    accounts: tuple[Name, ...] = Field(default=(), description="Our accounts that are touched.")
    over: bool = Field(default=False, description="The sender says the condition has ended.")

    @property
    def indicators(self) -> Indicators:
        """What this alert points at."""
        return Indicators(networks=self.networks, hosts=self.hosts, accounts=self.accounts)


class Incident(Frozen):
    """What a playbook is handed: the facts of one incident that this run is about."""

    id: Name
    title: str
    priority: Priority
    category: Category
    subject: str = Field(description="What the incident is about, in one word: an address, a host.")
    began: datetime = Field(description="When the first alert's event occurred; UTC.")
    opened: datetime = Field(description="When the first alert was accepted; the clocks' start.")
    indicators: Indicators

    @property
    def networks(self) -> tuple[Network, ...]:
        """The attacker's networks that this run is to answer."""
        return self.indicators.networks

    @property
    def hosts(self) -> tuple[str, ...]:
        """Our hosts that this run is to answer for."""
        return self.indicators.hosts

    @property
    def accounts(self) -> tuple[str, ...]:
        """Our accounts that this run is to answer for."""
        return self.indicators.accounts
