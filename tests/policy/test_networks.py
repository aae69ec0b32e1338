# ruff: noqa: RUF001, S104 - digits that are none, and addresses that nobody binds to

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from responder.incident import Network
from responder.policy.networks import (
    INTERNAL,
    NEVER,
    Protected,
    overlap,
    parse_network,
    protection,
    spellings,
)

_WRITTEN_IN_FULL = 0xFFFFFFFF
GATEWAY = Protected(name="gateway", networks=(parse_network("203.0.113.1/32"),))


def in_ipv6(network: IPv4Network, way: str, noise: int = 0) -> IPv6Network:
    """An IPv4 network in one of its IPv6 spellings; *noise* fills what the way leaves open."""
    start, length = int(network.network_address), network.prefixlen
    match way:
        case "mapped":
            return IPv6Network((0xFFFF << 32 | start, 96 + length))
        case "compatible":
            return IPv6Network((start, 96 + length))
        case "translated":
            return IPv6Network((0xFFFF << 48 | start, 96 + length))
        case "nat64":
            return IPv6Network((int(IPv6Address("64:ff9b::")) | start, 96 + length))
        case "6to4":
            return IPv6Network((0x2002 << 112 | start << 80, 16 + length))
        case _:  # Teredo: the client's address is inverted; server, flags and port are anything
            inverted = (start ^ _WRITTEN_IN_FULL) & int(network.netmask)
            prefix = 0x2001_0000 << 96 | (noise & 2**64 - 1) << 32
            return IPv6Network((prefix | inverted, 96 + length))


WAYS = ("mapped", "compatible", "translated", "nat64", "6to4", "teredo")
V4 = st.builds(
    lambda address, length: IPv4Network((address, length), strict=False),
    st.integers(0, 2**32 - 1), st.integers(8, 32),
)  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0/0", "::/0", "127.0.0.1", "169.254.169.254", "224.0.0.1", "255.255.255.255", "::1",
        "::", "0.0.0.0", "fe80::1", "ff02::1", "::/8", "0.0.0.0/1", "128.0.0.0/1",
        "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::a9fe:a9fe",
        "2002:a9fe:a9fe::", "2002:7f00::/24", "2002::/16", "::ffff:0:169.254.169.254",
        "2001:0:5db8:d822::5601:5601", "2001::/32", "2001:0:4136:e378::/64",
    ],
)  # fmt: skip
def test_what_can_never_be_an_attacker_is_protected_whatever_is_configured(text: str) -> None:
    assert protection(parse_network(text), ())


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("10.0.0.1", "internal networks"),
        ("100.64.0.1", "internal networks"),
        ("fd00::1", "internal networks"),
        ("::ffff:10.0.0.1", "internal networks"),
        ("::10.0.0.1", "internal networks"),
        ("::ffff:0:10.0.0.1", "internal networks"),
        ("64:ff9b::a00:1", "internal networks"),
        ("2002:a00:1::", "internal networks"),
        ("2002:a00:1:dead:beef::1", "internal networks"),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", "internal networks"),
        ("2001:0:4136:e378:8000:63bf:f5ff:ff00/120", "internal networks"),
        ("203.0.113.1", "gateway"),
        ("203.0.113.0/24", "gateway"),
        ("203.0.0.0/16", "gateway"),
        ("::ffff:203.0.113.0/120", "gateway"),
        ("64:ff9b::cb00:7101", "gateway"),
        ("2002:cb00:7101::1", "gateway"),
    ],
)  # fmt: skip
def test_what_is_ours_is_protected_in_every_spelling(text: str, what: str) -> None:
    said = protection(parse_network(text), (INTERNAL, GATEWAY))
    assert said is not None
    assert what in said


@pytest.mark.parametrize(
    "text", ["203.0.113.7", "198.51.100.0/24", "2001:db8::/48", "2002:cb00:7107::", "9.255.255.255"]
)
def test_an_outside_address_is_not_protected(text: str) -> None:
    assert protection(parse_network(text), (INTERNAL, GATEWAY)) is None


@pytest.mark.parametrize(
    "text",
    [
        "010.0.0.1", "0x7f.1", "127.1", "2130706433", "0x7f000001", "１２７.0.0.1", "1.2.3.4\n",
        " 1.2.3.4", "1.2.3.4 ", "fe80::1%eth0", "fe80::1%25eth0", "1.2.3.4/33", "1.2.3.4/-1",
        "10.0.0.1/8", "2001:db8::1/32", "1.2.3.4/255.255.255.256", "1.2.3.4/ 24", "", "/24", "::g",
        "1.2.3.4/24/24", "[::1]", "1.2.3.4:80", "localhost", "1.2.3.4; reboot", "$(id)", "1.2.3.256",
    ],
)  # fmt: skip
def test_what_programs_disagree_about_is_not_an_address(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the words differ, the type is the promise
        parse_network(text)


@settings(max_examples=400, deadline=None)
@given(V4, V4, st.sampled_from(WAYS), st.integers(0))
def test_overlap_is_the_same_in_every_spelling_and_both_directions(
    one: IPv4Network, other: IPv4Network, way: str, noise: int
) -> None:
    spelled = in_ipv6(one, way, noise)
    expected = one.overlaps(other)
    if way == "compatible" and spelled.prefixlen == 128 and int(spelled.network_address) in (0, 1):
        return  # `::` and `::1` are themselves
    assert overlap(spelled, other) is expected
    assert overlap(other, spelled) is expected
    for other_way in WAYS:
        again = in_ipv6(other, other_way, noise + 1)
        if again in (IPv6Network("::/128"), IPv6Network("::1/128")):
            continue  # themselves, as above
        assert overlap(spelled, again) is overlap(again, spelled)
        if one.overlaps(other):
            assert overlap(spelled, again)


@settings(max_examples=200, deadline=None)
@given(V4, st.integers(0, 16))
def test_a_wider_network_overlaps_whatever_is_in_it(network: IPv4Network, bits: int) -> None:
    wider = network.supernet(new_prefix=max(network.prefixlen - bits, 0))
    assert overlap(network, wider)
    assert overlap(wider, network)
    for spelled in spellings(network):
        assert overlap(spelled, wider)
        assert overlap(wider, spelled)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(0, 128), st.sampled_from([n for _, n in NEVER]))
def test_overlap_of_plain_ipv6_agrees_with_python_where_it_says_yes(
    address: int, length: int, never: Network
) -> None:
    network = IPv6Network((address, length), strict=False)
    if isinstance(never, IPv6Network) and network.overlaps(never):
        assert overlap(network, never)
        assert overlap(never, network)


def test_two_outside_addresses_do_not_overlap() -> None:
    one, other = ip_network("203.0.113.7"), ip_network("203.0.113.8")
    assert not overlap(one, other)
    assert not overlap(ip_network(IPv4Address("203.0.113.7")), ip_network("2001:db8::7"))
