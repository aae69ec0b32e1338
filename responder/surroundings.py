"""What this runner depends on: itself, its gateways and resolvers, and whatever its settings name."""

import re
import socket
import struct
import time
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import structlog

from responder.access import OverSSH
from responder.identities import ScimIdentities
from responder.incident import Frozen, Network
from responder.policy.networks import Protected
from responder.settings import Settings

log = structlog.get_logger(__name__)

_SECONDS = 2.0  # for all names together: what does not resolve must not hold up the start


class Relied(Frozen):
    """One thing that the settings name and that we could not do without."""

    name: str
    host: str
    never_isolate: bool = True


def surroundings(settings: Settings) -> tuple[Protected, ...]:
    """
    Everything that must not be cut off if this runner is to go on, as found now.

    Names are resolved once, here: what moves to another address is protected there after the next
    start. What cannot be resolved is said in the log and by `doctor`.
    """
    if not settings.protect_surroundings:
        return ()
    found = {
        "an address of this machine": _own(),
        "this machine's gateway": _gateways(Path("/proc/net/route")),
        "this machine's resolver": _resolvers(Path("/etc/resolv.conf")),
    }
    here = [Protected(name=k, networks=v, never_isolate=True) for k, v in found.items() if v]
    things = relied_on(settings)
    addresses = resolved(thing.host for thing in things)
    for thing in things:
        if thing.host not in addresses:
            log.warning("cannot_be_protected", what=thing.name, name=thing.host, said="no address")
    named = [
        Protected(
            name=thing.name, networks=addresses[thing.host], never_isolate=thing.never_isolate
        )
        for thing in things
        if thing.host in addresses
    ]
    return (*here, *named)


def relied_on(settings: Settings) -> list[Relied]:
    """What the settings name, by what it is: an address, or a name to be resolved."""
    found = [Relied(name="the address of our API", host=settings.api.host)]
    if settings.temporal.address:
        host = urlsplit(f"//{settings.temporal.address}").hostname or ""
        found.append(Relied(name="the address of Temporal", host=host))
    found += [Relied(name="the address of the store", host=h) for h in _hosts(settings.store or "")]
    found += _channels(settings)
    inventory = settings.inventory
    reached: list[tuple[str, object]] = [
        (f"enforcement point {one.name}", one) for one in inventory.points
    ]
    reached += [(f"switch {one.name}", one) for one in inventory.switches]
    for what, one in reached:
        access = getattr(one, "access", None)
        if isinstance(access, OverSSH):
            found.append(Relied(name=f"the address of {what}", host=access.address))
    for place in settings.inventory.identity_providers:
        if isinstance(place, ScimIdentities):
            host = urlsplit(place.base_url).hostname or ""
            name = f"the address of identity provider {place.name}"
            found.append(Relied(name=name, host=host))
    for address in settings.inventory.isolation.management:
        found.append(Relied(name="an address that hosts are managed from", host=str(address)))
    return [one for one in found if one.host and not _is_unspecified(one.host)]


def _channels(settings: Settings) -> list[Relied]:
    """The servers by which people are told. Their own host may be the one that was broken into."""
    hosts = {"the mail server": settings.mail.host} if settings.mail else {}
    for name, channel in settings.notify.channels.items():
        host = getattr(channel, "host", None) or urlsplit(getattr(channel, "url", "")).hostname
        hosts[f"the channel {name}"] = host or ""
    if settings.slack is not None:
        hosts |= {f"Slack ({host})": host for host in settings.slack.hosts}
    return [
        Relied(name=f"the address of {what}", host=host, never_isolate=False)
        for what, host in hosts.items()
    ]


def resolved(hosts: Iterable[str]) -> dict[str, tuple[Network, ...]]:
    """
    The addresses of each of *hosts* that has any.

    In threads that nobody waits for at the end: the system's resolver may take half a minute.
    """
    found: dict[str, tuple[Network, ...]] = {}

    def look(host: str) -> None:
        with suppress(OSError, UnicodeError):
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            found[host] = tuple(_network(one) for one in sorted({str(i[4][0]) for i in infos}))

    threads = []
    for host in dict.fromkeys(hosts):
        if _is_address(host):
            found[host] = (_network(host),)
        else:
            threads.append(Thread(target=look, args=(host,), daemon=True))
    for thread in threads:
        thread.start()
    give_up = time.monotonic() + _SECONDS
    for thread in threads:
        thread.join(max(give_up - time.monotonic(), 0))
    return dict(found)


def _hosts(url: str) -> list[str]:
    """The hosts of a PostgreSQL URL, which may also stand in its query; a folder is a Unix socket."""
    parts = urlsplit(url)
    asked = ",".join(parse_qs(parts.query).get("host", [])).split(",")
    named = [host.partition(":")[0] if host.count(":") == 1 else host for host in asked]
    return [host for host in (parts.hostname or "", *named) if host and not host.startswith("/")]


def _own() -> tuple[Network, ...]:
    """What the kernel calls local, and what this machine's name resolves to."""
    found = {str(network) for network in _local(Path("/proc/net/fib_trie"))}
    with suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text().splitlines():
            found.add(str(ip_network(IPv6Address(int(line.split()[0], 16)))))
    with suppress(OSError):
        for info in socket.getaddrinfo(socket.gethostname(), None):
            found.add(str(_network(str(info[4][0]))))
    return tuple(ip_network(one) for one in sorted(found))


def _local(path: Path) -> list[Network]:
    """The single addresses that Linux's `/proc/net/fib_trie` has as local."""
    try:
        text = path.read_text()
    except OSError:
        return []
    return [ip_network(one) for one in re.findall(r"\|-- ([\d.]+)\n\s+/32 host LOCAL", text)]


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


def _is_unspecified(text: str) -> bool:
    return _is_address(text) and ip_address(text.partition("%")[0]).is_unspecified


def _network(text: str) -> Network:
    return ip_network(ip_address(text.partition("%")[0]))


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
