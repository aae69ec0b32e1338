"""Restricting with nftables, judged by how many packets come through."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from activities.providers.nft_restriction import NftRestriction
from activities.restrict import Limits
from activities.shell import Shell
from activities.ssh import SSHShell
from responder.errors import Unreachable
from tests.lab.network import Lab, address

pytestmark = pytest.mark.asyncio(loop_scope="module")

NETWORKS = ("203.0.113.7/32", "203.0.113.0/24", "2001:db8:7::7/128", "2001:db8:7::/48")
PAIRS = (("203.0.113.0/24", "203.0.113.0/32"), ("2001:db8:7::/48", "2001:db8:7::/128"))
ATTACKERS = ("198.51.100.66/32", "198.51.100.64/26", "2001:db8:100::66/128", "2001:db8:100::66/127")
SLOW = Limits(packets_per_second=20)
PINGS = 150


def restriction(shell: Shell, network: str, *, nft: str = "/usr/sbin/nft") -> NftRestriction:
    return NftRestriction(shell, ip_network(network), point="web", nft=nft)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def put(
    point: NftRestriction, limits: Limits, until: datetime | None = None, tag: str = "INC-2026-0001"
) -> None:
    await point.write(limits, key="step", until=until, tag=tag)


def answered(lab: Lab, source: str, *, v6: bool = False) -> int:
    """How many of 150 echo requests, sent all at once, `web` answers: a busy machine sends no slower."""
    at_once = ("-c", str(PINGS), "-l", str(PINGS))
    words = ("ping", "-q", *at_once, "-W", "1", address("web", v6=v6))
    shown = lab.run(source, "sh", "-c", f"{' '.join(words)} || true")
    match = re.search(r"(\d+) received", shown)
    assert match, shown
    return int(match[1])


def v6(network: str) -> bool:
    return ip_network(network).version == 6


@pytest.mark.parametrize("network", NETWORKS)
async def test_limits_are_found_until_they_are_lifted_and_nothing_is_left(
    lab: Lab, shell: SSHShell, network: str
) -> None:
    before = lab.ruleset("web")
    point = restriction(shell, network)
    assert (await point.read()).state == Limits()
    both = Limits(packets_per_second=500, connections_per_minute=7)
    for limits in (SLOW, both, both, Limits(connections_per_minute=7), SLOW):
        until = soon(100)
        await put(point, limits, until)
        found = await point.read()
        assert found.state == limits
        assert found.expires is not None
        assert abs(found.expires - until) < timedelta(seconds=3)
    for _ in range(2):
        await put(point, Limits())
        assert (await point.read()).state == Limits()
        assert lab.ruleset("web") == before


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("first", [0, 1], ids=["wide first", "narrow first"])
async def test_a_network_and_an_address_in_it_are_limited_each_on_its_own(
    lab: Lab, shell: SSHShell, pair: tuple[str, str], first: int
) -> None:
    before = lab.ruleset("web")
    points = [restriction(shell, network) for network in pair]
    rates = [Limits(packets_per_second=100), Limits(packets_per_second=5)]
    for point, limits in zip(points, rates, strict=True):
        await put(point, limits, soon(60))
    assert [(await point.read()).state for point in points] == rates
    await put(points[first], Limits())
    assert (await points[first].read()).state == Limits()
    assert (await points[1 - first].read()).state == rates[1 - first]
    await put(points[1 - first], Limits())
    assert lab.ruleset("web") == before


@pytest.mark.parametrize("network", ATTACKERS)
async def test_so_many_packets_come_through_and_everybody_elses_do(
    lab: Lab, shell: SSHShell, network: str
) -> None:
    point = restriction(shell, network)
    assert answered(lab, "attacker", v6=v6(network)) == PINGS
    await put(point, SLOW, soon(60))
    # A second's worth at once, and hardly more: all of them come within moments.
    assert 20 <= answered(lab, "attacker", v6=v6(network)) <= 60
    assert answered(lab, "db", v6=v6(network)) == PINGS
    await put(point, Limits())
    assert answered(lab, "attacker", v6=v6(network)) == PINGS


async def test_flows_that_are_already_established_are_slowed_as_well(
    lab: Lab, shell: SSHShell
) -> None:
    flow = lab.hold("attacker", "web")
    assert flow.flows()
    await put(restriction(shell, "198.51.100.66"), Limits(packets_per_second=1), soon(60))
    await asyncio.sleep(1)
    assert not flow.ended
    dropped = re.search(r"@packets_hosts4 counter packets (\d+)", lab.ruleset("web"))
    assert dropped is not None
    assert int(dropped[1]) > 0


@pytest.mark.parametrize("ipv6", [False, True], ids=["v4", "v6"])
async def test_only_so_many_connections_begin_in_a_minute_and_open_ones_go_on(
    lab: Lab, shell: SSHShell, ipv6: bool
) -> None:
    flow = lab.hold("attacker", "web", v6=ipv6)
    network = address("attacker", v6=ipv6)
    await put(restriction(shell, network), Limits(connections_per_minute=4), soon(60))
    begun = [lab.probe("attacker", "web", v6=ipv6, timeout=0.2) for _ in range(10)]
    assert begun == [True] * 4 + [False] * 6
    assert flow.flows()
    assert lab.probe("db", "web", v6=ipv6)


async def test_the_kernel_lifts_a_restriction_by_itself(lab: Lab, shell: SSHShell) -> None:
    point = restriction(shell, "198.51.100.66")
    await put(point, SLOW, until := soon(2))
    assert (await point.read()).state == SLOW
    await asyncio.sleep((until - datetime.now(UTC)).total_seconds() + 1.2)
    assert (await point.read()).state == Limits()
    assert answered(lab, "attacker") == PINGS


async def test_a_limit_whose_rule_was_taken_away_is_none(lab: Lab, shell: SSHShell) -> None:
    point = restriction(shell, "203.0.113.7")
    await put(point, SLOW, soon(60))
    lab.nft("web", "flush chain inet responder_restriction packets_hosts4\n")
    assert (await point.read()).state == Limits()
    await put(point, SLOW, soon(60))
    assert (await point.read()).state == SLOW


async def test_many_at_once_leave_every_limit_and_then_none(lab: Lab, shell: SSHShell) -> None:
    before = lab.ruleset("web")
    points = [restriction(shell, f"203.0.113.{n}") for n in range(12)]
    await asyncio.gather(*(put(point, SLOW, soon(60)) for point in points))
    # Half are lifted while the other half come: the table must not be taken from under them.
    late = [restriction(shell, f"192.0.2.{n}") for n in range(12)]
    await asyncio.gather(
        *(put(point, Limits()) for point in points), *(put(p, SLOW, soon(60)) for p in late)
    )
    assert [(await point.read()).state for point in late] == [SLOW] * len(late)
    await asyncio.gather(*(put(point, Limits()) for point in late))
    assert lab.ruleset("web") == before


async def test_what_cannot_be_read_is_unknown(lab: Lab, shell: SSHShell, hasty: SSHShell) -> None:
    with pytest.raises(Unreachable, match=r"restrict/web/203\.0\.113\.7: nft could not say"):
        await restriction(shell, "203.0.113.7", nft="/usr/sbin/no-nft").read()
    lab.cut("web")
    with pytest.raises(Unreachable):
        await restriction(hasty, "203.0.113.7").read()


async def test_a_tag_cannot_end_the_quotes(lab: Lab, shell: SSHShell) -> None:
    point = restriction(shell, "203.0.113.7")
    await put(point, SLOW, soon(60), tag='x"; flush ruleset; "')
    assert (await point.read()).state == SLOW
    assert "flush" in lab.ruleset("web")
