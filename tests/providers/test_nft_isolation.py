"""Isolating a node with its own packet filter, judged by packets from every side."""

import asyncio
import socket
import struct
import time
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
import pytest_asyncio

from activities.isolate import Filter
from activities.providers.nft_isolation import NftIsolation
from activities.shell import Shell
from activities.ssh import SSHShell
from responder.errors import Unreachable
from responder.inventory import Isolation
from responder.policy.segments import Flow
from tests.lab.namespaces import inside
from tests.lab.network import ECHO, NUMBERS, SSH, Lab, address
from tests.lab.traffic import Held, answers

pytestmark = pytest.mark.asyncio(loop_scope="module")

ONLY = {("bastion", "web", SSH), ("web", "evidence", SSH)}
ASKED = (
    *((host, "web", port) for host in NUMBERS if host != "web" for port in (SSH, ECHO)),
    *(("web", host, ECHO) for host in NUMBERS if host not in ("web", "bastion")),
    ("web", "db", SSH),
    ("web", "evidence", SSH),
)
ELSEWHERE = (("attacker", "db", ECHO), ("db", "edge2", ECHO))


def allowing(management: str, evidence: str = "evidence") -> tuple[Flow, ...]:
    return Isolation(
        management=tuple(ip_address(address(management, v6=v6)) for v6 in (False, True)),
        evidence=tuple(ip_address(address(evidence, v6=v6)) for v6 in (False, True)),
    ).flows()


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def isolate(node: NftIsolation, until: datetime | None, tag: str = "INC-2026-0001") -> None:
    await node.write(Filter.ISOLATED, key="step", until=until, tag=tag)


async def free(node: NftIsolation) -> None:
    await node.write(Filter.OPEN, key="undo", until=None, tag="")


def reached(
    lab: Lab, asked: Iterable[tuple[str, str, int]], *, v6: bool = False
) -> set[tuple[str, str, int]]:
    """Which of the connections *asked* for come about."""

    def ask(one: tuple[str, str, int]) -> tuple[str, str, int] | None:
        return one if lab.probe(*one, timeout=0.6, v6=v6) else None

    with ThreadPoolExecutor(len(ASKED)) as threads:
        return {one for one in threads.map(ask, asked) if one is not None}


@pytest_asyncio.fixture(loop_scope="module")
async def node(shell: SSHShell) -> AsyncIterator[NftIsolation]:
    """`web`, isolated from here with an evidence collector beside."""
    yield NftIsolation(shell, "web", allowing("bastion"))


async def test_only_management_and_evidence_are_left(lab: Lab, node: NftIsolation) -> None:
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == set(ASKED)
    await isolate(node, soon(60))
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == ONLY
    assert reached(lab, ELSEWHERE) == set(ELSEWHERE)
    assert "100% packet loss" in (await ping(lab, "attacker")), "it still answers ICMP"


@pytest.mark.parametrize("v6", [False, True])
async def test_flows_that_were_open_die_and_stay_dead(
    lab: Lab, node: NftIsolation, v6: bool
) -> None:
    flows = {
        "in from the attacker": lab.hold("attacker", "web", v6=v6),
        "out to the attacker": lab.hold("web", "attacker", v6=v6),
        "out to the database": lab.hold("web", "db", v6=v6),
        "in from the database": lab.hold("db", "web", v6=v6),
    }
    assert all(flow.flows() for flow in flows.values())
    await isolate(node, soon(60))
    assert [name for name, flow in flows.items() if flow.flows(within=0.15)] == []
    await free(node)
    assert [name for name, flow in flows.items() if not flow.dies(within=40)] == []


async def test_evidence_under_way_and_what_stays_on_the_node_go_on(
    lab: Lab, node: NftIsolation
) -> None:
    upload = lab.hold("web", "evidence", SSH)
    other_session = lab.hold("bastion", "web", ECHO)
    local = inside("web", lambda: socket.create_connection(("127.0.0.1", ECHO)))
    loopback = Held(local)
    await isolate(node, soon(60))
    assert upload.flows()
    assert loopback.flows()
    assert not other_session.flows(within=0.2)
    loopback.close()


async def test_the_collector_answers_but_cannot_open(lab: Lab, shell: SSHShell) -> None:
    def from_port_22() -> bool:
        opening = socket.socket()
        opening.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        opening.bind(("", SSH))
        return answers(opening, address("web"), ECHO, 0.4)

    assert inside("attacker", from_port_22)
    node = NftIsolation(shell, "web", allowing("bastion", evidence="attacker"))
    await isolate(node, soon(60))
    assert not inside("attacker", from_port_22)


async def test_undo_restores_the_ruleset_byte_for_byte(lab: Lab, node: NftIsolation) -> None:
    before = lab.ruleset("web")
    await isolate(node, soon(60))
    assert lab.ruleset("web") != before
    await free(node)
    assert lab.ruleset("web") == before
    assert (await node.read()).state is Filter.OPEN
    await free(node)
    assert lab.ruleset("web") == before
    assert lab.probe("attacker", "web")


@pytest.mark.parametrize("seconds", [3600, 90061, None])
async def test_state_and_end_are_read_back(node: NftIsolation, seconds: int | None) -> None:
    assert (await node.read()).state is Filter.OPEN
    until = soon(seconds) if seconds else None
    await isolate(node, until)
    found = await node.read()
    assert found.state is Filter.ISOLATED
    if until is None:
        assert found.expires is None
    else:
        assert found.expires is not None
        assert abs(found.expires - until) < timedelta(seconds=3)


async def test_the_kernel_ends_an_isolation_by_itself(lab: Lab, node: NftIsolation) -> None:
    await isolate(node, soon(3))
    assert not lab.probe("attacker", "web", timeout=0.2)
    await until_open(lab, within=4)
    assert (await node.read()).state is Filter.OPEN
    assert reached(lab, ASKED) == set(ASKED)


async def test_extending_and_shortening_leave_the_rules_alone(lab: Lab, node: NftIsolation) -> None:
    await isolate(node, soon(60))
    rules = handles(lab)
    for seconds in (3600, 90):
        await isolate(node, soon(seconds), tag="INC-2026-0002")
        found = (await node.read()).expires
        assert found is not None
        assert abs(found - soon(seconds)) < timedelta(seconds=3)
    assert handles(lab) == rules
    assert "INC-2026-0002" in lab.ruleset("web")


async def test_a_changed_collector_replaces_the_rules(
    lab: Lab, node: NftIsolation, shell: SSHShell
) -> None:
    await isolate(node, soon(60))
    await isolate(NftIsolation(shell, "web", allowing("bastion", evidence="db")), soon(60))
    assert reached(lab, [("web", "evidence", SSH), ("web", "db", SSH)]) == {("web", "db", SSH)}


@pytest.mark.parametrize("chain", ["input", "output", "forward"])
async def test_rules_that_were_taken_out_are_not_an_isolation(
    lab: Lab, node: NftIsolation, chain: str
) -> None:
    await isolate(node, soon(60))
    lab.nft("web", f"flush chain inet responder_isolation {chain}\n")
    assert (await node.read()).state is Filter.OPEN
    await isolate(node, soon(60))
    assert (await node.read()).state is Filter.ISOLATED
    assert reached(lab, [("attacker", "web", ECHO), ("web", "db", ECHO)]) == set()


async def test_a_runner_that_cannot_come_back_in_leaves_the_node_open(
    lab: Lab, hasty: SSHShell
) -> None:
    node = NftIsolation(hasty, "web", allowing("attacker"), confirm=timedelta(seconds=3))
    with pytest.raises(Unreachable):
        await isolate(node, soon(3600))
    assert not lab.probe("bastion", "web", timeout=0.2)
    await until_open(lab, within=5)
    assert (await node.read()).state is Filter.OPEN


async def test_a_confirmation_that_comes_too_late_leaves_the_node_open(lab: Lab) -> None:
    class Slow(SSHShell):
        async def close(self) -> None:
            await super().close()
            await asyncio.sleep(1.1)

    slow = Slow(lab.access("web"))
    node = NftIsolation(slow, "web", allowing("bastion"), confirm=timedelta(seconds=1))
    with pytest.raises(Unreachable, match="ended before it was confirmed; it is open"):
        await isolate(node, soon(3600))
    assert lab.probe("attacker", "web")
    assert (await node.read()).state is Filter.OPEN
    await slow.close()


async def test_nobody_is_isolated_without_a_way_back(lab: Lab, shell: SSHShell) -> None:
    before = lab.ruleset("web")
    with pytest.raises(
        RuntimeError, match=r"expected inventory\.isolation to let SSH back in, found nothing"
    ):
        await isolate(NftIsolation(shell, "web", ()), soon(60))
    assert lab.ruleset("web") == before


@pytest.mark.parametrize("tag", ['" } }\nflush ruleset\n', "$(id)", "x" * 500, ""])
async def test_a_tag_cannot_say_anything_to_nft(lab: Lab, node: NftIsolation, tag: str) -> None:
    base = lab.ruleset("web")
    await isolate(node, soon(60), tag=tag)
    await isolate(node, soon(90), tag=tag)
    assert (await node.read()).state is Filter.ISOLATED
    assert lab.ruleset("web").startswith(base)


async def test_a_dead_node_is_unknown_and_never_open(lab: Lab, hasty: SSHShell) -> None:
    node = NftIsolation(hasty, "web", allowing("bastion"))
    assert (await node.read()).state is Filter.OPEN
    lab.cut("web")
    for change in (node.read(), isolate(node, soon(60)), free(node)):
        with pytest.raises(Unreachable):
            await change


async def test_a_missing_nft_is_unknown_and_never_open(shell: Shell) -> None:
    node = NftIsolation(shell, "web", allowing("bastion"), nft="/nowhere/nft")
    with pytest.raises(Unreachable, match="No such file or directory"):
        await node.read()


def handles(lab: Lab) -> list[int]:
    """The kernel's numbers of the rules on `web`: a rule that is replaced gets another."""
    return [entry["rule"]["handle"] for entry in lab.rules("web") if "rule" in entry]


async def until_open(lab: Lab, *, within: float) -> None:
    give_up = time.monotonic() + within
    while not lab.probe("attacker", "web", timeout=0.2):
        assert time.monotonic() < give_up, "the node did not open by itself"
        await asyncio.sleep(0.05)


async def ping(lab: Lab, source: str) -> str:
    words = ("sh", "-c", f"ping -c1 -W0.3 {address('web')} || true")
    return await asyncio.to_thread(lab.run, source, *words)


async def test_who_goes_on_after_a_death_on_trial_ends_the_flows_as_well(
    lab: Lab, node: NftIsolation, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies() -> None:
        raise asyncio.CancelledError

    flow = lab.hold("attacker", "web")
    assert flow.flows()
    with monkeypatch.context() as dying:
        dying.setattr(node, "_end_flows", dies)
        with pytest.raises(asyncio.CancelledError):
            await isolate(node, soon(3600))
    await isolate(node, soon(3600))
    await free(node)
    assert flow.dies(within=40)
