"""Every kind of flow that a segment can keep, in the host's filter and in the switch's."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest

from activities.isolate import Filter
from activities.providers.bridge_isolation import BridgeIsolation
from activities.providers.nft_flows import way_back
from activities.providers.nft_isolation import NftIsolation
from activities.ssh import SSHShell
from responder.policy.segments import Flow, Peer
from responder.switches import SwitchPort
from tests.lab.network import ECHO, SSH, Lab, address
from tests.lab.switch import ManagedSwitch, managed
from tests.providers.test_nft_isolation import allowing, ping

pytestmark = pytest.mark.asyncio(loop_scope="module")

DB = tuple(ip_network(address("db", v6=v6)) for v6 in (False, True))


@pytest.fixture(scope="module")
def switch(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedSwitch]:
    """The switch, reached over SSH."""
    with managed(lab, tmp_path_factory.mktemp("switch")) as made:
        yield made


def flows(*, inbound: bool, **peer: object) -> tuple[Flow, ...]:
    """Management, and what is kept with `db`."""
    services = Peer.model_validate({"segment": "db", **peer}).services
    kept = (Flow(inbound=inbound, peer="db", networks=DB, service=one) for one in services)
    return (*allowing("bastion"), *kept)


@pytest.mark.parametrize("place", ["host", "switch"])
@pytest.mark.parametrize(
    ("kept", "passes"),
    [
        (flows(inbound=True, ports=[ECHO]), "in"),
        (flows(inbound=False, ports=["8000-8099"]), "out"),
        (flows(inbound=True, ports=[ECHO + 1]), ""),
        (flows(inbound=True, protocol="tcp"), "in"),
        (flows(inbound=False, protocol="tcp"), "out"),
        (flows(inbound=True, protocol="any"), "in ping"),
        (flows(inbound=True, protocol="icmp"), "ping"),
        (flows(inbound=True, protocol="udp", ports=[53]), ""),
        (flows(inbound=False, protocol="udp"), ""),
    ],
)
async def test_exactly_what_is_kept_passes(
    lab: Lab,
    shell: SSHShell,
    switch: ManagedSwitch,
    place: str,
    kept: tuple[Flow, ...],
    passes: str,
) -> None:
    there = SSHShell(switch.access)
    addresses = [ip_address(address("web", v6=v6)) for v6 in (False, True)]
    port = SwitchPort(host="web", interface="web")
    node: NftIsolation | BridgeIsolation = (
        NftIsolation(shell, "web", kept)
        if place == "host"
        else BridgeIsolation(there, "switch", port, addresses, kept)
    )
    until = datetime.now(UTC) + timedelta(minutes=5)
    await node.write(Filter.ISOLATED, key="step", until=until, tag="")
    assert (await node.read()).state is Filter.ISOLATED
    for v6 in (False, True):
        for one, other, word in (("db", "web", "in"), ("web", "db", "out")):
            may = word in passes.split()  # what may pass is given time, on a busy machine as well
            assert lab.probe(one, other, ECHO, timeout=5 if may else 0.4, v6=v6) is may
        assert not lab.probe("attacker", "web", ECHO, timeout=0.3, v6=v6)
    assert (" 0% packet loss" in await ping(lab, "db")) is ("ping" in passes.split())
    assert lab.probe("bastion", "web", SSH, timeout=5)
    await node.write(Filter.OPEN, key="undo", until=None, tag="")
    await there.close()


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"ports": [22]}, True),
        ({"ports": ["20-25"]}, True),
        ({"protocol": "tcp"}, True),
        ({"protocol": "any"}, True),
        ({"ports": [2222]}, False),
        ({"protocol": "udp"}, False),
        ({"protocol": "icmp"}, False),
    ],
)
async def test_only_ssh_from_outside_is_a_way_back(peer: dict[str, object], expected: bool) -> None:
    inward, outward = flows(inbound=True, **peer)[2:], flows(inbound=False, **peer)[2:]
    assert way_back(inward) is expected
    assert not way_back(outward)
    assert not way_back(flow.model_copy(update={"networks": ()}) for flow in inward)
