"""
Which network segment may talk to which, and what of that an isolated host keeps. Pure.

A flow between two segments is permitted if both ends permit it, as in Kubernetes NetworkPolicy
("Network Policies", kubernetes.io): an end that lists nothing for that direction (None) leaves it
to the other, an empty list permits nothing, and what neither end lists is refused.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, summarize_address_range
from itertools import combinations
from typing import Annotated, Any, Literal, cast

from pydantic import BeforeValidator, Field, model_validator

from responder.incident import Frozen, Name, Network
from responder.policy.networks import parse_network

Address = IPv4Address | IPv6Address
Protocol = Literal["any", "tcp", "udp", "icmp"]

_LAST_PORT = 65535


class Ports(Frozen):
    """Ports from first to last, both included; one port is a range of one."""

    first: int = Field(ge=0, le=_LAST_PORT, description="The lowest port.")
    last: int = Field(ge=0, le=_LAST_PORT, description="The highest port.")

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, value: Any) -> Any:  # noqa: ANN401 - not validated yet
        if isinstance(value, int) and not isinstance(value, bool):
            return {"first": value, "last": value}
        if isinstance(value, str):
            first, _, last = value.partition("-")
            return {"first": first, "last": last or first}
        return value

    @model_validator(mode="after")
    def _in_order(self) -> "Ports":
        if self.first > self.last:
            raise ValueError(f"{self.first}-{self.last}: expected the lower port first")
        return self

    def __str__(self) -> str:
        return f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"


class Service(Frozen):
    """What is talked: a protocol, and for TCP and UDP the ports at the answering end."""

    protocol: Protocol = "any"
    ports: Ports | None = None  # None: all of them

    def __str__(self) -> str:
        return f"{self.protocol}/{self.ports}" if self.ports else self.protocol


class Peer(Frozen):
    """One other segment, and what may be talked with it."""

    segment: Name = Field(description="The other segment.")
    protocol: Protocol = Field(
        default="any", description="`tcp`, `udp`, `icmp` (ICMPv6 too) or `any`; with ports: `tcp`."
    )
    ports: tuple[Ports, ...] = Field(
        default=(), description="Ports at the answering end, `443` or `8000-8099`; none: all."
    )

    @model_validator(mode="before")
    @classmethod
    def _written_short(cls, value: Any) -> Any:  # noqa: ANN401 - not validated yet
        if isinstance(value, str):
            return {"segment": value}
        if isinstance(value, Mapping) and value.get("ports") and "protocol" not in value:
            return {**cast("Mapping[str, Any]", value), "protocol": "tcp"}
        return value

    @model_validator(mode="after")
    def _ports_have_a_protocol(self) -> "Peer":
        if self.ports and self.protocol not in ("tcp", "udp"):
            raise ValueError(f"{self.segment}: {self.protocol} has no ports; expected tcp or udp")
        return self

    @property
    def services(self) -> tuple[Service, ...]:
        """What may be talked, one port range each."""
        if not self.ports:
            return (Service(protocol=self.protocol),)
        return tuple(Service(protocol=self.protocol, ports=ports) for ports in self.ports)


def _networks(value: Any) -> Any:  # noqa: ANN401 - not validated yet
    """Networks, addresses and `first-last` ranges as the fewest networks that say the same."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return value
    found: list[Any] = []
    for one in value:
        if isinstance(one, str) and "-" in one:
            first, last = (ip_address(end.strip()) for end in one.split("-", 1))
            if first.version != last.version:
                raise ValueError(f"{one}: expected two addresses of one IP version")
            found += summarize_address_range(first, last)
        else:
            found.append(parse_network(one) if isinstance(one, str) else one)
    return tuple(found)


class Segment(Frozen):
    """A part of the network whose hosts are treated alike."""

    name: Name = Field(description="Its name, as hosts and other segments call it.")
    networks: Annotated[tuple[Network, ...], BeforeValidator(_networks)] = Field(
        default=(),
        description="Its addresses: networks, single addresses, or ranges `198.51.100.1-198.51.100.9`.",
    )
    allow_from: tuple[Peer, ...] | None = Field(
        default=None,
        description="Who may open connections into it; none: left to the other end's `allow_to`.",
    )
    allow_to: tuple[Peer, ...] | None = Field(
        default=None,
        description="Where it may open connections to; none: left to the other end's `allow_from`.",
    )


class Flow(Frozen):
    """One kind of connection that a host may have: who opens it, with which networks, for what."""

    inbound: bool
    peer: Name
    networks: tuple[Network, ...]
    service: Service

    def __str__(self) -> str:
        where = ", ".join(map(str, self.networks)) or "no address"
        return f"{'from' if self.inbound else 'to'} {self.peer} ({where}): {self.service}"


def flow(networks: Iterable[Network], port: int, *, inbound: bool, peer: str) -> Flow:
    """TCP to one port, from or to *networks*."""
    service = Service(protocol="tcp", ports=Ports(first=port, last=port))
    return Flow(inbound=inbound, peer=peer, networks=tuple(networks), service=service)


def permitted(segments: Sequence[Segment], source: str, target: str) -> tuple[Service, ...]:
    """What hosts in *source* may open to hosts in *target*; empty if nothing."""
    by_name = {segment.name: segment for segment in segments}
    if source not in by_name or target not in by_name:
        return ()
    leaving = _listed(by_name[source].allow_to, target)
    arriving = _listed(by_name[target].allow_from, source)
    if leaving is None or arriving is None:
        return leaving or arriving or ()
    both = (_both(one, other) for one in leaving for other in arriving)
    return tuple(dict.fromkeys(service for service in both if service is not None))


def flows(segments: Sequence[Segment], name: str) -> tuple[Flow, ...]:
    """Every flow that a host in the segment *name* may have, inbound first."""
    found = []
    for inbound in (True, False):
        for peer in segments:
            ends = (peer.name, name) if inbound else (name, peer.name)
            found += [
                Flow(inbound=inbound, peer=peer.name, networks=peer.networks, service=service)
                for service in permitted(segments, *ends)
            ]
    return tuple(found)


def rendered(segments: Sequence[Segment], name: str) -> tuple[str, ...]:
    """The flows of a host in the segment *name*, one line each, as a plan shows them."""
    return tuple(str(flow) for flow in flows(segments, name)) or (f"{name}: nothing",)


def faults(
    segments: Sequence[Segment], members: Mapping[str, tuple[str, Collection[Address]]]
) -> tuple[str, ...]:
    """
    What is wrong with the table, one line each.

    *members* says of each host by name in which segment it is and which addresses it has.
    """
    names = [segment.name for segment in segments]
    known = ", ".join(names)
    found = [
        f"two segments are named {name}"
        for name in sorted({n for n in names if names.count(n) > 1})
    ]
    for one, other in combinations(segments, 2):
        shared = [(a, b) for a in one.networks for b in other.networks if a.overlaps(b)]
        found += [
            f"segments {one.name} ({a}) and {other.name} ({b}) overlap" for a, b in shared[:1]
        ]
    for segment in segments:
        for peer in (*(segment.allow_from or ()), *(segment.allow_to or ())):
            if peer.segment not in names:
                found.append(f"segment {segment.name} names {peer.segment}; known: {known}")
    for host, (name, addresses) in members.items():
        if not name or not segments:
            continue
        if name not in names:
            found.append(f"host {host} is in segment {name}; known: {known}")
            continue
        inside = next(segment.networks for segment in segments if segment.name == name)
        found += [
            f"host {host} is in segment {name}, and {address} is not"
            for address in addresses
            if inside and not any(address in network for network in inside)
        ]
    return tuple(dict.fromkeys(found))


def _listed(peers: Sequence[Peer] | None, name: str) -> tuple[Service, ...] | None:
    if peers is None:
        return None
    return tuple(service for peer in peers if peer.segment == name for service in peer.services)


def _both(one: Service, other: Service) -> Service | None:
    """What *one* and *other* both permit."""
    if one.protocol == "any":
        return other
    if other.protocol == "any":
        return one
    if one.protocol != other.protocol:
        return None
    if one.ports is None or other.ports is None:
        return one if other.ports is None else other
    first, last = max(one.ports.first, other.ports.first), min(one.ports.last, other.ports.last)
    return (
        Service(protocol=one.protocol, ports=Ports(first=first, last=last))
        if first <= last
        else None
    )
