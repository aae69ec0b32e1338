"""Blocking with nftables, judged by the kernel and by packets."""

import asyncio
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from activities.local import LocalShell
from activities.providers.nftables import NftablesBlock
from activities.shell import Shell
from activities.ssh import SSHShell
from responder.access import Local
from responder.errors import Unreachable
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

NETWORKS = ("203.0.113.7/32", "203.0.113.0/24", "2001:db8:7::7/128", "2001:db8:7::/48")
PAIRS = (("203.0.113.0/24", "203.0.113.0/32"), ("2001:db8:7::/48", "2001:db8:7::/128"))
ATTACKERS = ("198.51.100.66/32", "198.51.100.64/26", "2001:db8:100::66/128", "2001:db8:100::66/127")
NFT = "/usr/sbin/nft"


def block(shell: Shell, network: str, *, nft: str = NFT) -> NftablesBlock:
    return NftablesBlock(shell, ip_network(network), point="web", table="responder", nft=nft)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def add(
    point: NftablesBlock, until: datetime | None = None, tag: str = "INC-2026-0001"
) -> None:
    await point.write(True, key="step", until=until, tag=tag)


async def discard(point: NftablesBlock) -> None:
    await point.write(False, key="undo", until=None, tag="")


def elements(lab: Lab) -> list[str]:
    """Every element of every set of ours on `web`, and whether it ends by itself."""
    found = []
    for rule in lab.rules("web"):
        for element in rule.get("set", {}).get("elem", ()):
            inner = element.get("elem", element) if isinstance(element, dict) else {"val": element}
            found.append(f"{inner['val']} {'timed' if 'timeout' in inner else 'for ever'}")
    return sorted(found)


def v6(network: str) -> bool:
    return ip_network(network).version == 6


@pytest.mark.parametrize("network", NETWORKS)
async def test_a_blocked_network_is_found_until_it_is_discarded(
    shell: SSHShell, network: str
) -> None:
    point = block(shell, network)
    assert (await point.read()).state is False
    await add(point, soon(60))
    assert (await point.read()).state is True
    await discard(point)
    assert (await point.read()).state is False


@pytest.mark.parametrize("network", NETWORKS)
async def test_adding_twice_leaves_exactly_one_element(
    lab: Lab, shell: SSHShell, network: str
) -> None:
    point = block(shell, network)
    await add(point, soon(60))
    await add(point, soon(60))
    assert elements(lab) == [f"{ip_network(network).network_address} timed"]


@pytest.mark.parametrize("network", NETWORKS)
async def test_removing_what_is_not_there_is_fine(lab: Lab, shell: SSHShell, network: str) -> None:
    point = block(shell, network)
    await discard(point)
    await add(point)
    await discard(point)
    await discard(point)
    assert elements(lab) == []


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize("added", ["wide first", "narrow first"])
@pytest.mark.parametrize("removed", ["wide first", "narrow first"])
async def test_a_network_and_a_host_inside_it_are_independent(
    shell: SSHShell, pair: tuple[str, str], added: str, removed: str
) -> None:
    points = [block(shell, network) for network in pair]
    for point in points if added == "wide first" else reversed(points):
        await add(point, soon(60))
    assert [(await point.read()).state for point in points] == [True, True]
    first, last = points if removed == "wide first" else reversed(points)
    await discard(first)
    assert [(await point.read()).state for point in (first, last)] == [False, True]
    await discard(last)
    assert (await last.read()).state is False


@pytest.mark.parametrize("network", ATTACKERS)
async def test_the_attacker_is_dropped_and_nobody_else(
    lab: Lab, shell: SSHShell, network: str
) -> None:
    point = block(shell, network)
    assert lab.probe("attacker", "web", v6=v6(network))
    await add(point, soon(60))
    assert not lab.probe("attacker", "web", v6=v6(network), timeout=0.3)
    assert lab.probe("attacker", "db", v6=v6(network))
    assert lab.probe("db", "web", v6=v6(network))
    await discard(point)
    assert lab.probe("attacker", "web", v6=v6(network))


@pytest.mark.parametrize("attackers", [ATTACKERS[::2], ATTACKERS[1::2]], ids=["hosts", "networks"])
async def test_open_flows_die_though_established_ones_are_accepted(
    lab: Lab, shell: SSHShell, attackers: tuple[str, ...]
) -> None:
    inward = [lab.hold("attacker", "web", v6=v6(network)) for network in attackers]
    outward = [lab.hold("web", "attacker", v6=v6(network)) for network in attackers]
    bystander = lab.hold("db", "web")
    assert all(flow.flows() for flow in (*inward, *outward))
    for network in attackers:
        await add(block(shell, network), soon(2))
    assert all(flow.dies(within=0.5) for flow in outward)
    assert not any(flow.flows(within=0.2) for flow in inward)
    assert all(flow.dies(within=6) for flow in inward), "it resumed after the block had expired"
    assert elements(lab) == []
    assert bystander.flows()


async def test_the_kernel_lifts_a_block_by_itself(lab: Lab, shell: SSHShell) -> None:
    point = block(shell, "198.51.100.66")
    until = soon(2)
    await add(point, until)
    assert not lab.probe("attacker", "web", timeout=0.2)
    ended = until + timedelta(seconds=1.1)  # nft's seconds are whole
    await asyncio.sleep((ended - datetime.now(UTC)).total_seconds())
    assert (await point.read()).state is False
    assert lab.probe("attacker", "web")


@pytest.mark.parametrize("network", NETWORKS)
async def test_its_end_is_read_back_extended_and_shortened(shell: SSHShell, network: str) -> None:
    point = block(shell, network)
    for seconds in (3600, 90061, 60, 86400):
        until = soon(seconds)
        await add(point, until)
        found = (await point.read()).expires
        assert found is not None
        assert abs(found - until) < timedelta(seconds=2)
    await add(point, None)
    assert (await point.read()).expires is None


async def test_what_was_there_for_ever_is_there_for_ever_again(lab: Lab, shell: SSHShell) -> None:
    point = block(shell, "203.0.113.7")
    await add(point)  # makes the set, as an administrator may have
    lab.nft(
        "web",
        "flush set inet responder hosts4\nadd element inet responder hosts4 { 203.0.113.7 }\n",
    )
    before = await point.read()
    assert (before.state, before.expires) == (True, None)
    await add(point, soon(60))
    assert elements(lab) == ["203.0.113.7 timed"]
    await point.write(before.state, key="undo", until=before.expires, tag="")
    assert await point.read() == before
    assert elements(lab) == ["203.0.113.7 for ever"]


@pytest.mark.parametrize(
    "tag",
    [
        'x" }\nflush ruleset\n',
        "$(touch /tmp/harm)",
        '"; delete table inet base;',
        "expires 5s",
        "é" * 300,
        "\0",
    ],
)
async def test_a_tag_cannot_say_anything_to_nft_or_the_shell(
    lab: Lab, shell: SSHShell, tag: str
) -> None:
    base = lab.ruleset("web")
    point = block(shell, "203.0.113.7")
    await add(point, soon(3600), tag=tag)
    assert elements(lab) == ["203.0.113.7 timed"]
    expires = (await point.read()).expires
    assert expires is not None
    assert expires > soon(3500)
    assert lab.ruleset("web").startswith(base)
    assert (await shell.run("ls", "/tmp")).out == ""  # noqa: S108 - on the lab's host


async def test_a_dead_firewall_is_unknown_and_never_absent(lab: Lab, hasty: SSHShell) -> None:
    point = block(hasty, "203.0.113.7")
    assert (await point.read()).state is False
    lab.cut("web")
    for _ in range(2):  # with the connection that was kept, then without one
        with pytest.raises(Unreachable, match=r"root@198\.51\.100\.10:22"):
            await point.read()
    with pytest.raises(Unreachable):
        await add(point)
    lab.mend("web")
    assert (await point.read()).state is False


async def test_a_missing_nft_is_unknown_and_never_absent(shell: SSHShell) -> None:
    point = block(shell, "203.0.113.7", nft="/nowhere/nft")
    with pytest.raises(Unreachable, match=r"No such file or directory|not found"):
        await point.read()
    with pytest.raises(RuntimeError, match=r"No such file or directory|not found"):
        await add(point)
    with pytest.raises(RuntimeError, match=r"No such file or directory|not found"):
        await discard(point)


async def test_a_missing_namespace_is_unknown_and_never_absent(lab: Lab) -> None:
    point = block(LocalShell(Local(prefix=("ip", "netns", "exec", "nowhere"))), "203.0.113.7")
    with pytest.raises(Unreachable, match="Cannot open network namespace"):
        await point.read()


async def test_it_works_the_same_without_ssh(lab: Lab) -> None:
    point = block(LocalShell(Local(prefix=("ip", "netns", "exec", "edge2"))), "198.51.100.66")
    await add(point, soon(60))
    assert (await point.read()).state is True
    assert not lab.probe("attacker", "edge2", timeout=0.2)
    assert lab.probe("attacker", "web")


async def test_its_name_says_what_and_where(shell: SSHShell) -> None:
    names = [block(shell, network).name for network in NETWORKS]
    assert names[:2] == ["block/web/203.0.113.7", "block/web/203.0.113.0/24"]


async def test_blocks_made_at_once_are_all_there(lab: Lab, shell: SSHShell) -> None:
    networks = [f"203.0.113.{number}" for number in range(16)]
    await asyncio.gather(*(add(block(shell, network), soon(60)) for network in networks))
    assert elements(lab) == sorted(f"{network} timed" for network in networks)
