"""What this machine depends on: its own addresses, gateways and resolvers are never cut off."""

import socket
import struct
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path

from responder.incident import Network
from responder.policy.networks import Protected


def surroundings() -> tuple[Protected, ...]:
    """This machine's own addresses, its default gateways and its resolvers, as found now."""
    found = {
        "an address of this machine": _own(),
        "this machine's gateway": _gateways(Path("/proc/net/route")),
        "this machine's resolver": _resolvers(Path("/etc/resolv.conf")),
    }
    return tuple(Protected(name=name, networks=nets) for name, nets in found.items() if nets)


def _own() -> tuple[Network, ...]:
    try:
        found = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
    except OSError:
        found = set()
    return tuple(_network(str(address)) for address in sorted(map(str, found)))


def _resolvers(path: Path) -> tuple[Network, ...]:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return ()
    words = [line.split() for line in lines if line.startswith("nameserver")]
    return tuple(_network(line[1]) for line in words if len(line) > 1 and _is_address(line[1]))


def _gateways(path: Path) -> tuple[Network, ...]:
    """The default routes of Linux's `/proc/net/route`: addresses as little-endian hex."""
    try:
        rows = [line.split() for line in path.read_text().splitlines()[1:]]
    except OSError:
        return ()
    hops = {row[2] for row in rows if len(row) > 2 and row[1] == "00000000"}  # noqa: PLR2004 - its columns
    return tuple(
        ip_network(IPv4Address(struct.pack("<L", int(hop, 16))))
        for hop in sorted(hops)
        if int(hop, 16)
    )


def _network(text: str) -> Network:
    return ip_network(ip_address(text.partition("%")[0]))


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
