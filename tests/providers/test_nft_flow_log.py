"""Logging a node's new flows, judged by what comes out of the kernel's netlink log."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from activities.monitoring import Monitoring
from activities.providers.nft_flow_log import NftFlowLog
from activities.shell import Shell
from activities.ssh import SSHShell
from responder.errors import Unreachable
from responder.monitoring import MonitoringSettings
from tests.lab.namespaces import command
from tests.lab.network import Lab, address

pytestmark = pytest.mark.asyncio(loop_scope="module")

RAISED, NORMAL = Monitoring.RAISED, Monitoring.NORMAL
GROUP = 5
_BATCH = 1.5  # seconds; the kernel hands over what it logged to a group once in a second


def flow_log(shell: Shell, *, rate: int = 50, nft: str = "/usr/sbin/nft") -> NftFlowLog:
    settings = MonitoringSettings(nflog_group=GROUP, flows_per_second=rate)
    return NftFlowLog(shell, "web", settings, nft=nft)


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def put(
    point: NftFlowLog,
    state: Monitoring,
    until: datetime | None = None,
    tag: str = "INC-2026-0001",
) -> None:
    await point.write(state, key="step", until=until, tag=tag)


class Listening:
    """What `web` logs to the netlink group, as tcpdump reads it."""

    def __init__(self) -> None:
        words = ("tcpdump", "-l", "-n", "-t", "-i", f"nflog:{GROUP}")
        self._tcpdump = subprocess.Popen(
            command("web", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._tcpdump.stderr is not None
        while "listening on" not in self._tcpdump.stderr.readline():
            pass

    def stop(self) -> list[str]:
        """The lines so far."""
        self._tcpdump.terminate()
        out, _ = self._tcpdump.communicate(timeout=5)
        return [line for line in out.splitlines() if line.strip()]


@pytest.mark.parametrize("v6", [False, True], ids=["v4", "v6"])
async def test_new_flows_are_logged_once_each_and_go_on_as_before(
    lab: Lab, shell: SSHShell, v6: bool
) -> None:
    before = lab.ruleset("web")
    point = flow_log(shell)
    held = lab.hold("db", "web", v6=v6)
    await put(point, RAISED, soon(60))
    heard = Listening()
    assert lab.probe("attacker", "web", v6=v6)
    assert not lab.probe("attacker", "web", 9999, v6=v6, timeout=0.3)  # the base filter drops it
    assert held.flows()
    await asyncio.sleep(_BATCH)
    lines = [line for line in heard.stop() if f"{address('attacker', v6=v6)}." in line]
    target = address("web", v6=v6)
    assert sum(f"> {target}.8080: Flags [S]" in line for line in lines) == 1
    assert any(f"> {target}.9999: Flags [S]" in line for line in lines)
    assert len(lines) < 4
    await put(point, NORMAL)
    assert lab.ruleset("web") == before


async def test_it_logs_no_more_than_so_many_in_a_second(lab: Lab, shell: SSHShell) -> None:
    await put(flow_log(shell, rate=5), RAISED, soon(60))
    heard = Listening()
    begun = [lab.probe("attacker", "web") for _ in range(30)]
    assert begun == [True] * 30
    await asyncio.sleep(_BATCH)
    assert 5 <= len([line for line in heard.stop() if ".8080: Flags [S]" in line]) <= 20


async def test_it_is_read_back_extended_and_ends_by_itself(lab: Lab, shell: SSHShell) -> None:
    before = lab.ruleset("web")
    point = flow_log(shell)
    assert (await point.read()).state is NORMAL
    for seconds in (3600, 60, 90061, 2):
        until = soon(seconds)
        await put(point, RAISED, until)
        found = await point.read()
        assert found.state is RAISED
        assert found.expires is not None
        assert abs(found.expires - until) < timedelta(seconds=3)
    await asyncio.sleep(3.2)
    assert (await point.read()).state is NORMAL
    heard = Listening()
    assert lab.probe("attacker", "web")
    await asyncio.sleep(_BATCH)
    assert heard.stop() == []
    for _ in range(2):
        await put(point, NORMAL)
        assert lab.ruleset("web") == before


async def test_a_rule_that_was_taken_away_is_seen_and_put_back(lab: Lab, shell: SSHShell) -> None:
    point = flow_log(shell)
    await put(point, RAISED, soon(60))
    lab.nft("web", "flush chain inet responder_monitoring output\n")
    assert (await point.read()).state is NORMAL
    await put(point, RAISED, soon(60))
    assert (await point.read()).state is RAISED


async def test_it_can_be_for_ever_and_a_tag_cannot_end_the_quotes(
    lab: Lab, shell: SSHShell
) -> None:
    point = flow_log(shell)
    await put(point, RAISED, tag='x" ; flush ruleset ; "')
    found = await point.read()
    assert (found.state, found.expires) == (RAISED, None)


async def test_the_kernels_log_is_written_to_where_no_group_is_named(
    lab: Lab, shell: SSHShell
) -> None:
    await put(NftFlowLog(shell, "web", MonitoringSettings()), RAISED, soon(60))
    assert 'log prefix "responder INC-2026-0001 input: "' in lab.ruleset("web")
    assert "group" not in lab.run("web", "nft", "list", "table", "inet", "responder_monitoring")


async def test_what_cannot_be_read_is_unknown(lab: Lab, shell: SSHShell, hasty: SSHShell) -> None:
    with pytest.raises(Unreachable, match="flow-log/web: nft could not say"):
        await flow_log(shell, nft="/usr/sbin/no-nft").read()
    lab.cut("web")
    with pytest.raises(Unreachable):
        await flow_log(hasty).read()
