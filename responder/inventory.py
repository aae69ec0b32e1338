"""What is ours: hosts with their addresses and how to reach them, and the enforcement points."""

from ipaddress import ip_network

from pydantic import Field, model_validator
from pydantic.json_schema import SkipJsonSchema

from responder.access import Access
from responder.cloud import Cloud, Instance, SnapshotVault, unnamed
from responder.evidence.settings import Vaulted
from responder.identities import HostIdentities, Identities
from responder.incident import Frozen, Name, Network
from responder.mesh import Mesh, NebulaNode
from responder.monitoring import MonitoringSettings
from responder.points import FeedPoint, Point
from responder.policy.availability import Asset, Keeps, Quorum, quorum_faults
from responder.policy.segments import Address, Flow, Segment, faults, flow, flows
from responder.rotation import Rotation
from responder.switches import Switch

_SSH = 22


class Host(Frozen):
    """A machine of ours."""

    name: Name = Field(description="Its name, as alerts call it.")
    addresses: tuple[Address, ...] = Field(default=(), description="Its addresses.")
    aliases: tuple[Name, ...] = Field(default=(), description="Other names and ids alerts use.")
    owner: str = Field(default="", description="Who answers for it.")
    segment: str = Field(default="", description="The network segment it is in.")
    protected: bool = Field(default=False, description="Cutting it off needs two people.")
    role: str = Field(
        default="",
        description="What it does, as others do too: the last of a role is not isolated.",
    )
    quorum: Quorum | None = Field(
        default=None, description="The group it votes in: a majority of it is never isolated away."
    )
    keeps: Keeps | None = Field(
        default=None, description="`runner`, `temporal` or `siem`, if it runs that: never isolated."
    )
    down: bool = Field(
        default=False, description="Out of service: it does not count as a healthy one of its role."
    )
    nebula: NebulaNode | None = Field(
        default=None, description="Its part in a Nebula mesh, if it has one."
    )
    access: Access | None = Field(default=None, description="How to reach it; none: it is not.")
    cloud: Instance | None = Field(
        default=None, description="Which instance of EC2 it is, if it is one."
    )

    @property
    def asset(self) -> Asset:
        """The host as policy knows it."""
        networks: tuple[Network, ...] = tuple(ip_network(a) for a in self.addresses)
        return Asset(
            name=self.name,
            networks=networks,
            protected=self.protected,
            role=self.role,
            quorum=self.quorum,
            keeps=self.keeps,
            down=self.down,
        )


class Isolation(Frozen):
    """What an isolated host may still talk to."""

    management: tuple[Address, ...] = Field(
        default=(), description="Where SSH to it may come from: the runner and the bastions."
    )
    evidence: tuple[Address, ...] = Field(
        default=(), description="Evidence collectors that it may reach on port 22."
    )
    segment: str = Field(
        default="",
        description="The segment it is treated as a member of, such as `quarantine`: it keeps what "
        "`segments` permits that one, beside `management` and `evidence`.",
    )

    def flows(self, segments: tuple[Segment, ...] = ()) -> tuple[Flow, ...]:
        """Every flow that is left to an isolated host."""
        named = []
        if self.management:
            networks = [ip_network(address) for address in self.management]
            named.append(flow(networks, _SSH, inbound=True, peer="management"))
        if self.evidence:
            networks = [ip_network(address) for address in self.evidence]
            named.append(flow(networks, _SSH, inbound=False, peer="evidence"))
        return (*named, *flows(segments, self.segment))


class Inventory(Frozen):
    """Everything that is ours."""

    hosts: tuple[Host, ...] = Field(default=(), description="Machines of ours.")
    points: tuple[Point, ...] = Field(
        default=(FeedPoint(),), description="Where addresses are blocked: every point, each alone."
    )
    isolation: Isolation = Field(
        default=Isolation(), description="What an isolated host may still talk to."
    )
    monitoring: MonitoringSettings = Field(
        default=MonitoringSettings(), description="What is logged while monitoring is raised."
    )
    identity_providers: tuple[Identities, ...] = Field(
        default=(), description="Where accounts live: every provider that has one, each alone."
    )
    rotation: SkipJsonSchema[Rotation] = Field(
        default=Rotation(),
        exclude=True,
        description="Not set here: `key_rotation` and `secrets` fill it.",
    )
    vaulted: SkipJsonSchema[Vaulted] = Field(
        default=Vaulted(), exclude=True, description="Not set here: `evidence` fills it."
    )
    segments: tuple[Segment, ...] = Field(
        default=(), description="Segments of the network, and which may talk to which."
    )
    mesh: Mesh = Field(
        default=Mesh(), description="The Nebula mesh that hosts with `nebula` are in."
    )
    switches: tuple[Switch, ...] = Field(
        default=(), description="Switches and hypervisors that can cut a host off from outside it."
    )
    clouds: tuple[Cloud, ...] = Field(default=(), description="Accounts of AWS, each in a region.")
    snapshots: SnapshotVault | None = Field(
        default=None,
        description="Where snapshots of volumes are copied to; none: they are not made.",
    )

    @model_validator(mode="after")
    def _clouds_are_named(self) -> "Inventory":
        asked = [(h.name, h.cloud.cloud) for h in self.hosts if h.cloud]
        asked += [(p.name, getattr(p, "cloud", "")) for p in self.points]
        asked += [("snapshots", self.snapshots.cloud)] if self.snapshots else []
        asked += [(vpc.name, vpc.cloud) for vpc in self.monitoring.vpcs]
        if found := unnamed(self.clouds, asked):
            raise ValueError("; ".join(found))
        return self

    @model_validator(mode="after")
    def _accounts_live_somewhere(self) -> "Inventory":
        names = [place.name for place in self.identity_providers]
        twice = sorted(name for name in {*names} if names.count(name) > 1)
        found = [f"two identity providers are named {name}" for name in twice]
        found += [
            f"identity provider {place.name} is a host, and is not in the inventory"
            for place in self.identity_providers
            if isinstance(place, HostIdentities) and self.host(place.name) is None
        ]
        if found:
            raise ValueError("; ".join(found))
        return self

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> "Inventory":
        members = {host.name: (host.segment, host.addresses) for host in self.hosts}
        found = [*faults(self.segments, members), *quorum_faults(host.asset for host in self.hosts)]
        names = {segment.name for segment in self.segments}
        if self.isolation.segment and self.isolation.segment not in names:
            known = ", ".join(sorted(names)) or "none"
            found.append(f"isolation.segment is {self.isolation.segment}; known segments: {known}")
        found += [
            f"switch {switch.name} has a port of {port.host}, which is not in the inventory"
            for switch in self.switches
            for port in switch.ports
            if self.host(port.host) is None
        ]
        if found:
            raise ValueError("; ".join(found))
        return self

    @property
    def kept(self) -> tuple[Flow, ...]:
        """Every flow that is left to an isolated host."""
        return self.isolation.flows(self.segments)

    def host(self, name: str) -> Host | None:
        """The host of this name or alias."""
        for host in self.hosts:
            if name == host.name or name in host.aliases:
                return host
        return None
