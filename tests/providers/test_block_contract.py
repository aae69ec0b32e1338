"""
The contract of blocking, over every provider: a new one is one line in `GROUNDS`.

What is undone, kept and judged is `verbs`' business, so it is tried through them; the rest is asked
of the resource itself.
"""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from activities.block import Block, name_of
from responder.approval.orders import sign_order
from responder.contract import Action, Lookup, Request, Resource
from responder.errors import Refused, Unreachable
from responder.incident import Network, Priority
from responder.plan import Outcome
from responder.store import Store
from responder.verbs.enforcing import enforce
from responder.verbs.previewing import Previewing
from tests.databases import ManualClock
from tests.providers.aws.ground import NaclGround, WafGround, at_aws
from tests.providers.feed_ground import polled_by_two
from tests.providers.ground import ATTACKER, Ground
from tests.providers.linux_ground import (
    IpsetGround,
    LegacyIpsetGround,
    NftablesGround,
    over_ssh,
    without_ssh,
)
from tests.providers.pf_ground import on_paper
from tests.verbs.desk import Desk
from tests.verbs.world import Point, Thing

GROUNDS = (
    pytest.param(over_ssh(NftablesGround), id="nftables-ssh"),
    pytest.param(without_ssh(NftablesGround), id="nftables-local"),
    pytest.param(over_ssh(IpsetGround), id="ipset-ssh"),
    pytest.param(over_ssh(LegacyIpsetGround), id="ipset-legacy-ssh"),
    pytest.param(polled_by_two, id="feed"),
    pytest.param(on_paper, id="pf-on-paper"),
    pytest.param(at_aws(WafGround), id="aws-waf"),
    pytest.param(at_aws(NaclGround), id="aws-network-acl"),
)

SINGLE = ("203.0.113.7/32", "2001:db8:7::7/128")
NETWORKS = (*SINGLE, "203.0.113.0/24", "2001:db8:7::/48")
PAIRS = (("203.0.113.0/24", "203.0.113.0/32"), ("2001:db8:7::/48", "2001:db8:7::7/128"))

each_network = pytest.mark.parametrize("network", [ip_network(n) for n in NETWORKS], ids=NETWORKS)
each_address = pytest.mark.parametrize("network", [ip_network(n) for n in SINGLE], ids=SINGLE)
each_pair = pytest.mark.parametrize(
    "pair", [tuple(ip_network(n) for n in pair) for pair in PAIRS], ids=["v4", "v6"]
)


@pytest_asyncio.fixture(params=GROUNDS)
async def ground(request: pytest.FixtureRequest, sqlite_template: Path) -> AsyncIterator[Ground]:
    """The enforcement point under test; what migrates a database cannot be asked for by it."""
    async with request.param(request) as opened:
        yield opened


@pytest.fixture
def database() -> str:
    """SQLite: what is tried here is not about the database."""
    return "sqlite"


class Points:
    """Where the desk's verbs find the point under test, and one in memory beside it."""

    def __init__(self, ground: Ground, beside: Point | None = None) -> None:
        self._ground = ground
        self._beside = beside

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:
        assert isinstance(action, Block)
        found: dict[str, Resource[Any]] = {"point": self._ground.block(action.network)}
        if self._beside is not None:
            thing = name_of(action.network)
            found[self._beside.name] = Thing(self._beside, "block", thing, absent=False)
        return found

    async def answer(self, lookup: Lookup[Any]) -> Any:
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing is kept."""


class Verbs(Desk):
    """The verbs on a real enforcement point."""

    def __init__(self, store: Store, clock: ManualClock, ground: Ground) -> None:
        super().__init__(store, clock)
        self.ground = ground
        self.over(None)

    def over(self, beside: Point | None) -> None:
        """Have every block carried by the point under test and, if there is one, *beside* it."""
        self.context = dataclasses.replace(self.context, provision=Points(self.ground, beside))

    async def contain(self, network: Network, incident: str = "IR-1") -> None:
        """What a playbook does to block *network*; returns when it is verified."""
        run = await self.open_run(incident, networks=[str(network)])
        await self.do(run, Block(network=network, lasts=timedelta(hours=1)))
        await self.ground.handed_over()
        name = self.ground.block(network).name
        await enforce(self.context, name)
        row = await self.row(name)
        assert (row.outcome, row.said) == (Outcome.VERIFIED, "")

    async def undo(self, network: Network, incident: str = "%") -> str:
        """End the holds and look again; returns the state of the resource's row."""
        name = self.ground.block(network).name
        await self.end(name, incident=None if incident == "%" else incident)
        await self.lift(name)
        await self.ground.handed_over()
        return str((await self.row(name)).state)


@pytest.fixture
def verbs(store: Store, clock: ManualClock, ground: Ground) -> Verbs:
    """The verbs, at the time that enforcement points have."""
    clock.now = datetime.now(UTC)
    return Verbs(store, clock, ground)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def add(
    ground: Ground, network: Network, seconds: float | None = 600, tag: str = "IR-1"
) -> None:
    until = None if seconds is None else soon(seconds)
    await ground.block(network).write(True, key="step", until=until, tag=tag, record=None)
    await ground.handed_over()


async def discard(ground: Ground, network: Network) -> None:
    await ground.block(network).write(False, key="undo", until=None, tag="", record=None)
    await ground.handed_over()


async def blocked(ground: Ground, *networks: Network) -> list[bool]:
    return [(await ground.block(network).read()).state for network in networks]


@each_network
async def test_what_was_blocked_is_read_back_and_discarding_it_leaves_nothing(
    ground: Ground, network: Network
) -> None:
    before = await ground.dump()
    assert await blocked(ground, network) == [False]
    await add(ground, network)
    found = await ground.block(network).read()
    assert found.state is True
    assert ground.block(network).expires_by_itself is ground.expires
    if ground.expires:
        assert found.expires is not None
        assert abs(found.expires - soon(600)) < timedelta(seconds=3)
    else:
        assert found.expires is None
    await discard(ground, network)
    assert await blocked(ground, network) == [False]
    assert await ground.dump() == before


@each_network
async def test_reading_changes_nothing(ground: Ground, network: Network) -> None:
    before = await ground.dump()
    first = await ground.block(network).read()
    assert await ground.block(network).read() == first
    assert await ground.dump() == before


@each_network
async def test_writing_twice_is_one_effect(ground: Ground, network: Network) -> None:
    before = await ground.dump()
    await add(ground, network)
    await add(ground, network)
    assert await blocked(ground, network) == [True]
    await discard(ground, network)
    assert await blocked(ground, network) == [False]
    await discard(ground, network)
    assert await ground.dump() == before


@each_network
async def test_its_record_is_stable_while_nobody_changes_anything(
    ground: Ground, network: Network
) -> None:
    await add(ground, network)
    first = await ground.block(network).read()
    assert (await ground.block(network).read()).record == first.record


@each_pair
@pytest.mark.parametrize("added", ["wide first", "narrow first"])
@pytest.mark.parametrize("removed", ["wide first", "narrow first"])
async def test_a_network_and_an_address_in_it_are_two_blocks(
    ground: Ground, pair: tuple[Network, Network], added: str, removed: str
) -> None:
    before = await ground.dump()
    for network in pair if added == "wide first" else pair[::-1]:
        await add(ground, network)
    assert await blocked(ground, *pair) == [True, True]
    first, last = pair if removed == "wide first" else pair[::-1]
    await discard(ground, first)
    assert await blocked(ground, first, last) == [False, True]
    await discard(ground, last)
    assert await blocked(ground, *pair) == [False, False]
    assert await ground.dump() == before


@each_pair
@pytest.mark.parametrize("only", ["wide", "narrow"])
async def test_the_one_is_not_taken_for_the_other(
    ground: Ground, pair: tuple[Network, Network], only: str
) -> None:
    present, absent = pair if only == "wide" else pair[::-1]
    await add(ground, present)
    assert await blocked(ground, present, absent) == [True, False]


@each_pair
@pytest.mark.parametrize("shorter", ["wide", "narrow"])
async def test_each_of_two_that_overlap_ends_at_its_own_time(
    ground: Ground, pair: tuple[Network, Network], shorter: str
) -> None:
    short, long = pair if shorter == "wide" else pair[::-1]
    await add(ground, long, 600)
    await add(ground, short, 2 if ground.expires else 600)
    assert await blocked(ground, short, long) == [True, True]
    if ground.expires:
        await until_gone(ground, short, within=4)
        assert await blocked(ground, short, long) == [False, True]
    found = await ground.block(long).read()
    assert (found.expires is not None) is ground.expires


async def test_blocks_made_and_undone_at_once_do_not_hurt_each_other(ground: Ground) -> None:
    before = await ground.dump()
    networks = [ip_network(f"203.0.113.{number}") for number in range(10)]
    last = ip_network("198.51.100.66")
    await asyncio.gather(*(persistently(add, ground, network) for network in networks))
    assert await blocked(ground, *networks) == [True] * 10
    # What takes an emptied set away meets what fills it: round after round.
    await asyncio.gather(*(persistently(discard, ground, network) for network in networks[::2]))
    await asyncio.gather(
        *(persistently(discard, ground, network) for network in networks[1::2]),
        persistently(add, ground, last),
    )
    assert await blocked(ground, *networks, last) == [*([False] * 10), True]
    for number in range(4):
        gone, come = (last, networks[0]) if number % 2 == 0 else (networks[0], last)
        await asyncio.gather(persistently(discard, ground, gone), persistently(add, ground, come))
        assert await blocked(ground, gone, come) == [False, True]
    await discard(ground, last)
    assert await ground.dump() == before


@each_network
async def test_its_end_is_extended_and_shortened(ground: Ground, network: Network) -> None:
    for seconds in (3600, 90061, 60):
        await add(ground, network, seconds)
        found = await ground.block(network).read()
        if ground.expires:
            assert found.expires is not None
            assert abs(found.expires - soon(seconds)) < timedelta(seconds=3)
        else:
            assert (found.state, found.expires) == (True, None)
    await add(ground, network, None)
    found = await ground.block(network).read()
    assert (found.state, found.expires) == (True, None)


@each_network
async def test_undo_leaves_the_point_as_it_was_found(
    verbs: Verbs, ground: Ground, network: Network
) -> None:
    before = await ground.dump()
    if network.num_addresses > 1:
        await add(ground, network)  # that policy would ask people first is not the point's business
        await discard(ground, network)
    else:
        await verbs.contain(network)
        assert await blocked(ground, network) == [True]
        assert await verbs.undo(network) == "clear"
    assert await blocked(ground, network) == [False]
    assert await ground.dump() == before


@each_address
async def test_what_somebody_else_had_blocked_before_survives_our_undo(
    verbs: Verbs, ground: Ground, network: Network
) -> None:
    await ground.place(network)
    await ground.handed_over()
    before, found = await ground.dump(), await ground.block(network).read()
    assert (found.state, found.expires) == (True, None)
    await verbs.contain(network)
    assert await verbs.undo(network) == "clear"
    assert await ground.block(network).read() == found
    assert await ground.dump() == before


@each_address
async def test_two_incidents_on_one_address_lift_with_the_last(
    verbs: Verbs, ground: Ground, network: Network
) -> None:
    before = await ground.dump()
    await verbs.contain(network, "IR-1")
    await verbs.contain(network, "IR-2")
    assert await verbs.undo(network, incident="IR-1") == "held"
    assert await blocked(ground, network) == [True]
    assert await verbs.undo(network, incident="IR-2") == "clear"
    assert await ground.dump() == before


@each_address
async def test_what_somebody_removed_meanwhile_is_put_back_and_its_undo_is_quiet(
    verbs: Verbs, ground: Ground, network: Network
) -> None:
    before = await ground.dump()
    await verbs.contain(network)
    await discard(ground, network)
    await enforce(verbs.context, ground.block(network).name)
    await ground.handed_over()
    assert await blocked(ground, network) == [True]
    await discard(ground, network)
    assert await verbs.undo(network) == "clear"
    assert await ground.dump() == before


@each_address
async def test_a_silent_point_is_unknown_then_contained_when_it_answers(
    verbs: Verbs, ground: Ground, network: Network
) -> None:
    before = await ground.dump()
    run = await verbs.open_run(networks=[str(network)])
    await ground.silence()
    with pytest.raises(Unreachable):
        await ground.block(network).read()
    (receipt,) = (await verbs.do(run, Block(network=network))).receipts
    assert [point.outcome for point in receipt.points] == [Outcome.UNKNOWN]
    assert receipt.points[0].said
    await ground.mend()
    assert await ground.dump() == before
    await enforce(verbs.context, ground.block(network).name)
    await ground.handed_over()
    assert await blocked(ground, network) == [True]


@each_address
async def test_a_point_that_is_silent_at_undo_is_never_taken_for_clear(
    verbs: Verbs, ground: Ground, network: Network
) -> None:
    before = await ground.dump()
    await verbs.contain(network)
    await ground.silence()
    with pytest.raises(Unreachable):
        await verbs.undo(network)
    assert (await verbs.row(ground.block(network).name)).state == "lifting"
    await ground.mend()
    name = ground.block(network).name
    await verbs.lift(name)  # the hold has ended; only the point was silent
    await ground.handed_over()
    assert (await verbs.row(name)).state == "clear"
    assert await ground.dump() == before


@each_address
async def test_one_silent_point_of_two_is_said_to_be_partial(
    verbs: Verbs, ground: Ground, network: Network
) -> None:
    beside = Point("beside", verbs.clock, down=True)
    verbs.over(beside)
    run = await verbs.open_run(networks=[str(network)])
    (receipt,) = (await verbs.do(run, Block(network=network))).receipts
    assert not receipt.verified
    by_point = {point.point: point.outcome for point in receipt.points}
    assert by_point["beside"] is Outcome.UNKNOWN
    await ground.handed_over()
    assert await blocked(ground, network) == [True]


async def test_what_policy_refuses_never_reaches_the_point(verbs: Verbs, ground: Ground) -> None:
    before = await ground.dump()
    for never in ("10.0.0.7", "198.51.100.10", "127.0.0.1", "fe80::1"):
        network = ip_network(never)
        run = await verbs.open_run(f"IR-{never}", networks=[never])
        with pytest.raises(Refused):
            await verbs.do(run, Block(network=network))
    assert await ground.dump() == before


@each_address
async def test_a_dry_run_is_silent(verbs: Verbs, ground: Ground, network: Network) -> None:
    before = await ground.dump()
    order = sign_order(
        verbs.signer,
        "ana",
        (Request.of(Block(network=network)),),
        incident=None,
        priority=Priority.P2,
        now=verbs.clock.now,
    )
    plan = await verbs.run("preview/1", Previewing(verbs.context).preview, order)
    ((point,),) = [change.points for change in plan.changes]
    assert (point.known, point.before, point.after) == (True, False, True)
    assert await ground.dump() == before
    assert await verbs.held() == []


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
async def test_packets_meet_what_the_point_says(ground: Ground, v6: bool) -> None:
    before = await ground.passes(v6=v6)
    if before is None:
        return  # no packet can be sent through this one; its class says why
    assert before
    await add(ground, ATTACKER[v6])
    assert not await ground.passes(v6=v6)
    assert await ground.passes(v6=not v6)
    await discard(ground, ATTACKER[v6])
    assert await ground.passes(v6=v6)


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
@pytest.mark.parametrize("inward", [True, False], ids=["in", "out"])
async def test_a_connection_that_was_open_is_dead_and_stays_dead(
    ground: Ground, v6: bool, inward: bool
) -> None:
    before = await ground.dump()
    flow = ground.hold(v6=v6, inward=inward)
    if flow is None:
        return  # as above
    assert flow.flows()
    await add(ground, ATTACKER[v6])
    assert not flow.flows(within=0.5), "the issue allows 5 s; these are at once"
    await discard(ground, ATTACKER[v6])
    assert flow.dies(within=5), "it went on when the block had ended"
    assert await ground.dump() == before


async def persistently(
    change: Callable[[Ground, Network], Awaitable[None]], ground: Ground, network: Network
) -> None:
    """Try a change again as `verbs` do, for a point may say that too many came at once."""
    for _ in range(20):
        try:
            return await change(ground, network)
        except Unreachable:
            await asyncio.sleep(0.1)
    return await change(ground, network)


async def until_gone(ground: Ground, network: Network, *, within: float) -> None:
    """Wait until the point has ended a block by itself."""
    give_up = soon(within)
    while await blocked(ground, network) != [False]:
        assert datetime.now(UTC) < give_up, f"{network} did not end by itself"
        await asyncio.sleep(0.1)
        await ground.handed_over()
