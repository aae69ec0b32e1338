"""What is ours: hosts with their addresses and how to reach them, and the enforcement points."""

from ipaddress import IPv4Address, IPv6Address, ip_network

from pydantic import Field

from responder.access import Access
from responder.incident import Frozen, Name, Network
from responder.points import FeedPoint, Point
from responder.policy.judge import Asset

Address = IPv4Address | IPv6Address


class Host(Frozen):
    """A machine of ours."""

    name: Name = Field(description="Its name, as alerts call it.")
    addresses: tuple[Address, ...] = Field(default=(), description="Its addresses.")
    aliases: tuple[Name, ...] = Field(default=(), description="Other names and ids alerts use.")
    owner: str = Field(default="", description="Who answers for it.")
    segment: str = Field(default="", description="The network segment it is in.")
    protected: bool = Field(default=False, description="Cutting it off needs two people.")
    access: Access | None = Field(default=None, description="How to reach it; none: it is not.")

    @property
    def asset(self) -> Asset:
        """The host as policy knows it."""
        networks: tuple[Network, ...] = tuple(ip_network(a) for a in self.addresses)
        return Asset(name=self.name, networks=networks, protected=self.protected)


class Isolation(Frozen):
    """What an isolated host may still talk to."""

    management: tuple[Address, ...] = Field(
        default=(), description="Where SSH to it may come from: the runner and the bastions."
    )
    evidence: tuple[Address, ...] = Field(
        default=(), description="Evidence collectors that it may reach on port 22."
    )


class Inventory(Frozen):
    """Everything that is ours."""

    hosts: tuple[Host, ...] = Field(default=(), description="Machines of ours.")
    points: tuple[Point, ...] = Field(
        default=(FeedPoint(),), description="Where addresses are blocked: every point, each alone."
    )
    isolation: Isolation = Field(
        default=Isolation(), description="What an isolated host may still talk to."
    )

    def host(self, name: str) -> Host | None:
        """The host of this name or alias."""
        for host in self.hosts:
            if name == host.name or name in host.aliases:
                return host
        return None
