"""
Which addresses must never be cut off, compared in every spelling and in both directions.

IPv4 addresses have several IPv6 spellings, and Python calls some of them global: `::ffff:0:0/96`
(mapped, RFC 4291), `::/96` (compatible, RFC 4291), `::ffff:0:0:0/96` (translated, RFC 2765),
`64:ff9b::/96` (NAT64, RFC 6052), `2002::/16` (6to4, RFC 3056) and `2001::/32` (Teredo, RFC 4380).
"""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_network

from pydantic import Field

from responder.incident import Frozen, Name, Network

_MAPPED = int(IPv6Address("::ffff:0:0"))
_TRANSLATED = int(IPv6Address("::ffff:0:0:0"))
_NAT64 = int(IPv6Address("64:ff9b::"))
_6TO4 = int(IPv6Address("2002::"))
_TEREDO = IPv6Network("2001::/32")
_LAST_32 = frozenset(prefix >> 32 for prefix in (0, _MAPPED, _TRANSLATED, _NAT64))

# Nothing here can be an attacker who is outside: RFC 6890 and the IANA special-purpose registries.
NEVER: tuple[tuple[str, Network], ...] = (
    ("this host (RFC 1122)", IPv4Network("0.0.0.0/8")),
    ("loopback", IPv4Network("127.0.0.0/8")),
    ("link-local and cloud metadata", IPv4Network("169.254.0.0/16")),
    ("multicast", IPv4Network("224.0.0.0/4")),
    ("reserved and broadcast", IPv4Network("240.0.0.0/4")),
    ("loopback", IPv6Network("::1/128")),
    ("the unspecified address", IPv6Network("::/128")),
    ("link-local", IPv6Network("fe80::/10")),
    ("multicast", IPv6Network("ff00::/8")),
    ("NAT64 of this site (RFC 8215)", IPv6Network("64:ff9b:1::/48")),
)


class Protected(Frozen):
    """Networks that belong to something which must stay reachable."""

    name: Name = Field(description="What it is: `gateway`, `resolver`, `partner example`.")
    networks: tuple[Network, ...] = Field(description="Its addresses or networks.")
    never_isolate: bool = Field(
        default=False, description="A host that has one of these addresses is never cut off either."
    )


# Site-local ranges by RFC 1918, RFC 6598 and RFC 4193: an edge block of these hits ourselves.
INTERNAL = Protected(
    name="internal networks",
    networks=(
        IPv4Network("10.0.0.0/8"),
        IPv4Network("172.16.0.0/12"),
        IPv4Network("192.168.0.0/16"),
        IPv4Network("100.64.0.0/10"),
        IPv6Network("fc00::/7"),
    ),
)


def parse_network(text: str) -> Network:
    """
    The network that *text* spells, strictly: one spelling, no host bits, no zone id.

    Raises `ValueError` for forms that programs disagree about, such as `010.0.0.1`, `0x7f.1`,
    `2130706433`, full-width digits, surrounding space and `fe80::1%eth0`.
    """
    if not text.isascii() or text != text.strip() or "%" in text or text.isdigit():
        raise ValueError(f"{text!r} is not written as one plain address or network")
    return ip_network(text, strict=True)


def spellings(network: Network) -> tuple[Network, ...]:
    """*network* and every other way to write the same hosts."""
    match network:
        case IPv4Network():
            start, length = int(network.network_address), network.prefixlen
            return (
                network,
                IPv6Network((_MAPPED | start, 96 + length)),
                IPv6Network((start, 96 + length)),
                IPv6Network((_TRANSLATED | start, 96 + length)),
                IPv6Network((_NAT64 | start, 96 + length)),
                IPv6Network((_6TO4 | start << 80, 16 + length)),
            )
        case IPv6Network():
            return (network, *(IPv4Network(inner) for inner in _inside(network)))


def _inside(network: IPv6Network) -> tuple[tuple[int, int], ...]:
    """The IPv4 networks that an IPv6 network carries inside, as (address, prefix length)."""
    start, length = int(network.network_address), network.prefixlen
    found: list[tuple[int, int]] = []
    plain = length == 128 and start <= 1  # noqa: PLR2004 - `::` and `::1` mean themselves
    if length >= 96 and start >> 32 in _LAST_32 and not plain:  # noqa: PLR2004 - each is a /96
        found.append((start & 0xFFFFFFFF, length - 96))
    if length >= 16 and start >> 112 == _6TO4 >> 112:  # noqa: PLR2004 - 6to4 is 2002::/16
        found.append((start >> 80 & 0xFFFFFFFF, min(length - 16, 32)))
    if network.overlaps(_TEREDO):  # a client's address is inverted, and in the last 32 bits
        found.append((start & 0xFFFFFFFF ^ 0xFFFFFFFF, max(length - 96, 0)))
    return tuple(
        (address & (0xFFFFFFFF << 32 - bits) & 0xFFFFFFFF, bits) for address, bits in found
    )


@lru_cache(maxsize=4096)
def _ranges(network: Network) -> tuple[tuple[int, int, int], ...]:
    """Every spelling as (IP version, first address, last address): quick to compare, and often."""
    return tuple(
        (one.version, int(one.network_address), int(one.broadcast_address))
        for one in spellings(network)
    )


def overlap(one: Network, other: Network) -> bool:
    """Whether the two share an address, in any spelling of either."""
    return any(
        version == other_version and first <= other_last and other_first <= last
        for version, first, last in _ranges(one)
        for other_version, other_first, other_last in _ranges(other)
    )


def protection(network: Network, protected: Iterable[Protected]) -> str | None:
    """Why *network* must not be cut off, in words, or None."""
    for what, never in NEVER:
        if overlap(network, never):
            return f"{network} is {what}"
    for thing in protected:
        for held in thing.networks:
            if overlap(network, held):
                return f"{network} is {thing.name} ({held})"
    return None
