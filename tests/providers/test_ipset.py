"""Blocking with iptables and ipset, beyond the contract: the rules, the limits, what others did."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
import pytest_asyncio

from activities.providers.ipset import LONGEST, IpsetBlock, Programs
from responder.errors import Unreachable
from tests.providers.ground import ATTACKER
from tests.providers.linux_ground import (
    HOST,
    IpsetGround,
    LegacyIpsetGround,
    over_ssh,
)

KINDS = (
    pytest.param(over_ssh(IpsetGround), id="nft"),
    pytest.param(over_ssh(LegacyIpsetGround), id="legacy"),
)
V4, V6 = ATTACKER[False], ATTACKER[True]


@pytest_asyncio.fixture(params=KINDS)
async def ground(request: pytest.FixtureRequest) -> AsyncIterator[IpsetGround]:
    """`web` with iptables of either kind."""
    async with request.param(request) as opened:
        yield opened


@pytest_asyncio.fixture
async def with_nft(request: pytest.FixtureRequest) -> AsyncIterator[IpsetGround]:
    """`web`, where the kind of iptables does not matter."""
    async with over_ssh(IpsetGround)(request) as opened:
        assert isinstance(opened, IpsetGround)
        yield opened


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def add(point: IpsetBlock, seconds: float | None = 600, tag: str = "IR-1") -> None:
    until = None if seconds is None else soon(seconds)
    await point.write(True, key="step", until=until, tag=tag)


def iptables(ground: IpsetGround, *words: str, v6: bool = False) -> str:
    program = ground.programs.ip6tables if v6 else ground.programs.iptables
    return ground.lab.run(HOST, program, "-t", "raw", *words)


async def test_the_rules_are_first_and_in_chains_of_our_own(ground: IpsetGround) -> None:
    iptables(ground, "-A", "PREROUTING", "-s", "203.0.113.99", "-j", "ACCEPT")
    await add(ground.block(V4))
    assert iptables(ground, "-S").splitlines() == [
        "-P PREROUTING ACCEPT",
        "-P OUTPUT ACCEPT",
        "-N responder_in",
        "-N responder_out",
        "-A PREROUTING -j responder_in",
        "-A PREROUTING -s 203.0.113.99/32 -j ACCEPT",
        "-A OUTPUT -j responder_out",
        "-A responder_in -m set --match-set responder4 src -j DROP",
        "-A responder_out -m set --match-set responder4 dst -j DROP",
    ]
    await ground.block(V4).write(False, key="undo", until=None, tag="")
    assert iptables(ground, "-S").splitlines()[2:] == ["-A PREROUTING -s 203.0.113.99/32 -j ACCEPT"]


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
async def test_a_rule_put_before_ours_is_seen_and_ours_is_put_first_again(
    ground: IpsetGround, v6: bool
) -> None:
    point = ground.block(ATTACKER[v6])
    await add(point)
    iptables(ground, "-I", "PREROUTING", "-s", str(ATTACKER[v6]), "-j", "ACCEPT", v6=v6)
    assert (await point.read()).state is False
    await add(point)
    assert (await point.read()).state is True
    assert not await ground.passes(v6=v6)
    jumps = [r for r in iptables(ground, "-S", v6=v6).splitlines() if "-j responder_" in r]
    assert jumps == ["-A PREROUTING -j responder_in", "-A OUTPUT -j responder_out"]


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(("-F", "responder_in"), id="its chain was emptied"),
        pytest.param(("-D", "PREROUTING", "-j", "responder_in"), id="its jump was deleted"),
        pytest.param(("-F",), id="the table was flushed, as a firewall's restart does"),
        pytest.param(("-I", "responder_out", "-j", "RETURN"), id="a rule was put before it"),
    ],
)
async def test_an_entry_that_no_rule_drops_by_is_no_block_and_is_mended(
    ground: IpsetGround, harm: tuple[str, ...]
) -> None:
    before = await ground.dump()
    point = ground.block(V4)
    await add(point)
    iptables(ground, *harm)
    found = await point.read()
    assert found.state is False
    assert found.expires is not None, "so that an undo still finds something to remove"
    await add(point)
    assert (await point.read()).state is True
    assert not await ground.passes(v6=False)
    await point.write(False, key="undo", until=None, tag="")
    assert await ground.dump() == before


async def test_a_lease_that_ipset_cannot_keep_is_refused_and_nothing_is_changed(
    with_nft: IpsetGround,
) -> None:
    point, before = with_nft.block(V4), await with_nft.dump()
    with pytest.raises(RuntimeError, match=r"longest that ipset keeps .* nothing was changed"):
        await add(point, LONGEST + 60)
    assert await with_nft.dump() == before
    await add(point, LONGEST)
    expires = (await point.read()).expires
    assert expires is not None
    assert abs(expires - soon(LONGEST)) < timedelta(seconds=3)


@pytest.mark.parametrize(
    "tag",
    ['x"\nflush responder4', "$(touch /tmp/harm)", "`id`", "-exist", "timeout 1", "é" * 300, ""],
)
async def test_a_tag_cannot_say_anything_to_ipset_or_the_shell(
    with_nft: IpsetGround, tag: str
) -> None:
    point = with_nft.block(V4)
    await add(point, tag=tag)
    found = await point.read()
    assert found.expires is not None
    assert abs(found.expires - soon(600)) < timedelta(seconds=3)
    assert (await with_nft.shell.run("ls", "/tmp")).out == ""  # noqa: S108 - on the lab's host


async def test_an_entry_that_exempts_the_address_makes_it_unknown(with_nft: IpsetGround) -> None:
    wide = with_nft.block(ip_network("198.51.100.64/26"))
    await add(wide)
    with_nft.lab.run(HOST, "ipset", "add", "responder4", str(V4), "nomatch")
    assert await with_nft.passes(v6=False)
    with pytest.raises(Unreachable, match=r"responder4 exempts 198\.51\.100\.66"):
        await wide.read()
    assert (await with_nft.block(ip_network("203.0.113.7")).read()).state is False


@pytest.mark.parametrize("missing", ["ipset", "iptables"])
async def test_a_missing_program_is_unknown_and_never_absent(
    with_nft: IpsetGround, missing: str
) -> None:
    await add(with_nft.block(V4))
    there = with_nft.programs
    programs = Programs(
        ipset="/nowhere/ipset" if missing == "ipset" else there.ipset,
        iptables="/nowhere/iptables" if missing == "iptables" else there.iptables,
        ip6tables=there.ip6tables,
    )
    point = IpsetBlock(with_nft.shell, V4, point="web", prefix="responder", programs=programs)
    with pytest.raises(Unreachable, match="not found"):
        await point.read()
    with pytest.raises(RuntimeError, match="not found"):
        await add(point)


async def test_a_set_of_another_kind_under_our_name_is_left_alone(with_nft: IpsetGround) -> None:
    with_nft.lab.run(HOST, "ipset", "create", "responder4", "hash:ip")
    before = await with_nft.dump()
    with pytest.raises(
        RuntimeError, match=r"responder4 could not be made to drop .* already exists"
    ):
        await add(with_nft.block(V4))
    assert await with_nft.dump() == before


async def test_it_keeps_nobody_else_out(ground: IpsetGround) -> None:
    await add(ground.block(V4))
    await add(ground.block(V6))
    for v6 in (False, True):
        assert not await ground.passes(v6=v6)
        assert ground.lab.probe("db", HOST, v6=v6)
        assert ground.lab.probe("bastion", HOST, port=22, v6=v6)
