"""Isolating a host on its switch, judged by packets, whatever root on the host does."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from ipaddress import ip_address

import pytest
import pytest_asyncio

from activities.isolate import Filter
from activities.providers.bridge_isolation import BridgeIsolation
from activities.providers.nft_isolation import NftIsolation
from activities.ssh import SSHShell
from responder.errors import Unreachable
from responder.inventory import Isolation
from responder.policy.segments import Flow
from responder.switches import SwitchPort
from tests.lab.namespaces import inside
from tests.lab.network import ECHO, SSH, Lab, address
from tests.lab.switch import ManagedSwitch, managed
from tests.providers.test_nft_isolation import ASKED, ELSEWHERE, ONLY, allowing, ping, reached, soon

pytestmark = pytest.mark.asyncio(loop_scope="module")

WEB = tuple(ip_address(address("web", v6=v6)) for v6 in (False, True))
BY_PORT = SwitchPort(host="web", interface="web")


@pytest.fixture(scope="module")
def switch(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedSwitch]:
    """The switch, with a bridge filter of somebody else's on it."""
    with managed(lab, tmp_path_factory.mktemp("switch")) as made:
        yield made


@pytest.fixture(autouse=True)
def _as_it_was(lab: Lab, switch: ManagedSwitch) -> Iterator[None]:
    yield
    switch.flush()
    # Who could not be resolved while a host was shut out is asked for again only a second later.
    forget_neighbours(lab)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def there(switch: ManagedSwitch) -> AsyncIterator[SSHShell]:
    """The kept connection to the switch, through its own bridge."""
    opened = SSHShell(switch.access)
    yield opened
    await opened.close()


def at(
    shell: SSHShell,
    port: SwitchPort = BY_PORT,
    flows: tuple[Flow, ...] | None = None,
    **more: object,
) -> BridgeIsolation:
    kept = allowing("bastion") if flows is None else flows
    return BridgeIsolation(shell, "switch", port, WEB, kept, **more)  # type: ignore[arg-type]


async def isolate(place: BridgeIsolation | NftIsolation, seconds: float | None = 60) -> None:
    until = None if seconds is None else soon(seconds)
    await place.write(Filter.ISOLATED, key="step", until=until, tag="INC-2026-0001")


async def free(place: BridgeIsolation | NftIsolation) -> None:
    await place.write(Filter.OPEN, key="undo", until=None, tag="")


def forget_neighbours(lab: Lab) -> None:
    """Make everybody resolve everybody again, so that ARP and neighbour discovery are needed."""
    for host in ("web", "attacker", "db", "evidence"):
        lab.run(host, "ip", "neigh", "flush", "all")
    lab.run("bastion", "ip", "neigh", "flush", "all")


@pytest.mark.parametrize(
    "port",
    [
        pytest.param(BY_PORT, id="by port"),
        pytest.param(None, id="by MAC"),
    ],
)
async def test_only_management_and_evidence_are_left(
    lab: Lab, there: SSHShell, port: SwitchPort | None
) -> None:
    place = at(there, port or SwitchPort(host="web", mac=mac_of(lab)))
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == set(ASKED)
    await isolate(place)
    forget_neighbours(lab)
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == ONLY
    assert reached(lab, ELSEWHERE) == set(ELSEWHERE)
    assert "100% packet loss" in await ping(lab, "attacker")
    assert (await place.read()).state is Filter.ISOLATED


async def test_it_holds_although_root_on_the_host_flushes_its_own_rules(
    lab: Lab, there: SSHShell
) -> None:
    await isolate(at(there))
    lab.nft("web", "flush ruleset\n")
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == ONLY


async def test_another_address_and_mac_on_the_same_port_change_nothing(
    lab: Lab, there: SSHShell
) -> None:
    mac = mac_of(lab)
    await isolate(at(there))
    lab.nft("web", "flush ruleset\n")
    lab.run("web", "ip", "addr", "add", "198.51.100.77/24", "dev", "eth0")
    try:
        source = inside("web", socket.socket)
        source.bind(("198.51.100.77", 0))
        source.settimeout(0.5)
        with source, pytest.raises(OSError, match=r"timed out|unreachable|No route"):
            source.connect((address("db"), ECHO))
        lab.run("web", "ip", "link", "set", "eth0", "address", "02:00:00:00:00:99")
        assert not lab.probe("web", "db")
    finally:
        lab.run("web", "ip", "link", "set", "eth0", "address", mac)
        lab.run("web", "ip", "addr", "del", "198.51.100.77/24", "dev", "eth0")


@pytest.mark.parametrize("v6", [False, True])
async def test_nothing_more_passes_on_flows_that_were_open(
    lab: Lab, there: SSHShell, v6: bool
) -> None:
    flows = {
        "in from the attacker": lab.hold("attacker", "web", v6=v6),
        "out to the attacker": lab.hold("web", "attacker", v6=v6),
        "out to the database": lab.hold("web", "db", v6=v6),
    }
    kept = lab.hold("web", "evidence", SSH, v6=v6)
    assert all(flow.flows() for flow in flows.values())
    await isolate(at(there))
    assert [name for name, flow in flows.items() if flow.flows(within=0.3)] == []
    assert kept.flows()


@pytest.mark.parametrize("v6", [False, True])
async def test_with_the_host_s_own_side_flows_are_dead_for_good(
    lab: Lab, there: SSHShell, shell: SSHShell, v6: bool
) -> None:
    """The switch alone only stalls them: its kernel cannot send a reset."""
    sides = (at(there), NftIsolation(shell, "web", allowing("bastion")))
    flows = [lab.hold("attacker", "web", v6=v6), lab.hold("web", "db", v6=v6)]
    assert all(flow.flows() for flow in flows)
    began = time.monotonic()
    await asyncio.gather(*(isolate(side) for side in sides))
    assert not any(flow.flows(within=0.1) for flow in flows)
    assert time.monotonic() - began < 5
    await asyncio.gather(*(free(side) for side in sides))
    assert all(flow.dies(within=40) for flow in flows)


async def test_the_host_cannot_open_a_connection_from_its_ssh_port(
    lab: Lab, there: SSHShell
) -> None:
    await isolate(at(there))
    lab.nft("web", "flush ruleset\n")
    assert reached(lab, [("web", "bastion", SSH), ("web", "bastion", ECHO)]) == set()


@pytest.mark.parametrize("named", [True, False])
async def test_a_gateway_can_be_resolved_but_not_talked_to(
    lab: Lab, there: SSHShell, named: bool
) -> None:
    """Where what the host keeps is behind a router, it must still find that router."""
    gateways = (ip_address(address("db")), ip_address(address("db", v6=True))) if named else ()
    await isolate(at(there, gateways=gateways))
    forget_neighbours(lab)
    for v6 in (False, True):
        assert not lab.probe("web", "db", v6=v6)
        entry = lab.run("web", "ip", "neigh", "show", "to", address("db", v6=v6))
        assert ("lladdr" in entry) is named, entry


async def test_undo_restores_the_ruleset_byte_for_byte(
    lab: Lab, there: SSHShell, switch: ManagedSwitch
) -> None:
    place, before = at(there), switch.ruleset()
    assert before
    await isolate(place)
    assert switch.ruleset() != before
    for _ in range(2):
        await free(place)
        assert switch.ruleset() == before
    assert (await place.read()).state is Filter.OPEN
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == set(ASKED)


@pytest.mark.parametrize("first", ["host", "switch"])
async def test_both_sides_are_undone_in_either_order(
    lab: Lab, there: SSHShell, shell: SSHShell, switch: ManagedSwitch, first: str
) -> None:
    host = NftIsolation(shell, "web", allowing("bastion"))
    sides: dict[str, BridgeIsolation | NftIsolation] = {"host": host, "switch": at(there)}
    before = (lab.ruleset("web"), switch.ruleset())
    flow = lab.hold("attacker", "web")
    await asyncio.gather(*(isolate(side) for side in sides.values()))
    assert not flow.flows(within=0.2)
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == ONLY
    order = sorted(sides, key=lambda side: side != first)
    await free(sides[order[0]])
    assert reached(lab, [("attacker", "web", ECHO), ("web", "db", ECHO)]) == set()
    await free(sides[order[1]])
    assert (lab.ruleset("web"), switch.ruleset()) == before
    assert flow.dies(within=40)
    assert reached(lab, ASKED) == set(ASKED)


async def test_two_hosts_on_one_switch_are_told_apart(
    lab: Lab, there: SSHShell, switch: ManagedSwitch
) -> None:
    before = switch.ruleset()
    web = at(there)
    addresses = tuple(ip_address(address("db", v6=v6)) for v6 in (False, True))
    port = SwitchPort(host="db", interface="db")
    db = BridgeIsolation(there, "switch", port, addresses, allowing("bastion"))
    await isolate(web)
    await isolate(db)
    await free(web)
    assert reached(lab, [("attacker", "web", ECHO), ("attacker", "db", ECHO)]) == {
        ("attacker", "web", ECHO)
    }
    await free(db)
    assert switch.ruleset() == before


@pytest.mark.parametrize("seconds", [3600, 90061, None])
async def test_state_and_end_are_read_back(there: SSHShell, seconds: int | None) -> None:
    place = at(there)
    assert (await place.read()).state is Filter.OPEN
    await isolate(place, seconds)
    found = await place.read()
    assert found.state is Filter.ISOLATED
    if seconds is None:
        assert found.expires is None
    else:
        assert found.expires is not None
        assert abs(found.expires - soon(seconds)) < timedelta(seconds=3)


async def test_the_switch_s_kernel_ends_an_isolation_by_itself(lab: Lab, there: SSHShell) -> None:
    place = at(there)
    await isolate(place, 3)
    assert not lab.probe("attacker", "web", timeout=0.2)
    give_up = time.monotonic() + 5
    while not lab.probe("attacker", "web", timeout=0.2):
        assert time.monotonic() < give_up, "it did not end by itself"
        await asyncio.sleep(0.05)
    assert (await place.read()).state is Filter.OPEN
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == set(ASKED)


@pytest.mark.parametrize("chain", ["from_port", "to_port"])
async def test_rules_that_were_taken_out_are_not_an_isolation(
    there: SSHShell, switch: ManagedSwitch, chain: str
) -> None:
    place = at(there)
    await isolate(place)
    table = next(line.split()[2] for line in switch.ruleset().splitlines() if "responder" in line)
    switch.run("nft", "flush", "chain", "bridge", table, chain)
    assert (await place.read()).state is Filter.OPEN
    await isolate(place)
    assert (await place.read()).state is Filter.ISOLATED


async def test_a_port_that_is_not_there_is_unknown_and_never_open(there: SSHShell) -> None:
    place = at(there, SwitchPort(host="web", interface="vnet7"))
    with pytest.raises(Unreachable, match="expected port vnet7 on a bridge of switch, found none"):
        await place.read()


async def test_a_runner_that_cannot_come_back_in_to_the_switch_leaves_the_host_open(
    lab: Lab, switch: ManagedSwitch
) -> None:
    """The host's port is set down as the runner's own: the rules cut the runner off."""
    hasty = SSHShell(switch.access, connect_seconds=1, command_seconds=0.6)
    runners = tuple(ip_address(address("bastion", v6=v6)) for v6 in (False, True))
    wrong = BridgeIsolation(
        hasty,
        "switch",
        SwitchPort(host="web", interface="bastion"),
        runners,
        allowing("attacker"),
        confirm=timedelta(seconds=3),
    )
    before = switch.ruleset()
    with pytest.raises(Unreachable):
        await isolate(wrong, 3600)
    give_up = time.monotonic() + 6
    while not lab.probe("bastion", "web", SSH, timeout=0.2):
        assert time.monotonic() < give_up, "the trial did not end by itself"
        await asyncio.sleep(0.1)
    assert (await wrong.read()).state is Filter.OPEN
    await free(wrong)
    assert switch.ruleset() == before
    await hasty.close()


async def test_nobody_is_isolated_without_a_way_back(
    there: SSHShell, switch: ManagedSwitch
) -> None:
    before = switch.ruleset()
    with pytest.raises(RuntimeError, match=r"a way back in for SSH, found .* no flow"):
        await isolate(at(there, flows=()))
    outward = Isolation(evidence=(ip_address(address("evidence")),)).flows()
    with pytest.raises(RuntimeError, match="nothing was changed"):
        await isolate(at(there, flows=outward))
    nameless = BridgeIsolation(there, "switch", BY_PORT, (), allowing("bastion"))
    with pytest.raises(RuntimeError, match="found no address"):
        await isolate(nameless)
    assert switch.ruleset() == before


def mac_of(lab: Lab) -> str:
    return lab.run("web", "cat", "/sys/class/net/eth0/address").strip()
