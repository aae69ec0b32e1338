"""Hosts of the lab under the contract: real sshd, kernel and accounts, over SSH."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any, ClassVar

import pytest

from activities.accounts import DisableAccount, RevokeSessions
from activities.monitoring import Monitoring, RaiseMonitoring
from activities.providers.linux_accounts import LinuxAccount, LinuxAccounts, LinuxSessions
from activities.providers.nft_flow_log import NftFlowLog
from activities.providers.nft_restriction import NftRestriction
from activities.providers.sshd_log_level import SshdLogLevel
from activities.restrict import Limits, Restrict
from activities.shell import Completed
from activities.ssh import SSHShell
from responder.contract import Action, Resource
from responder.monitoring import MonitoringSettings
from tests.lab.network import Lab
from tests.providers.contract.ground import Ground, Row, not_held
from tests.providers.test_linux_accounts import _MAKE
from tests.providers.test_sshd_log_level import (
    INCLUDE,
    MAIN,
    OURS,
    beginning_anew,
    configure,
    folder,
)

ATTACKER = ip_network("198.51.100.66")
NO_GUARD = {Row.GUARD: "a log decides about no packet: nobody has to be spared"}
# What counts down or up by itself.
MOVING = re.compile(r"(timeout|expires) \S+|packets \d+ bytes \d+")


class HostGround(Ground):
    """One host, over a connection that gives up soon."""

    host = "web"
    lab: Lab
    shell: SSHShell
    _patient: SSHShell | None = None

    async def open(self, request: pytest.FixtureRequest) -> None:
        self.lab = request.getfixturevalue("lab")
        self.shell = SSHShell(self.lab.access(self.host), connect_seconds=1, command_seconds=2)

    async def close(self) -> None:
        await self.shell.close()
        self.lab.reset()

    async def said(self, *words: str) -> Completed:
        """What the host says to a command that must succeed."""
        done = await self.shell.run(*words)
        assert done.status == 0, done
        return done

    async def silence(self) -> None:
        self.lab.cut(self.host)
        self._patient = self.shell  # what is known to be silent is not waited for so long
        self.shell = SSHShell(self.lab.access(self.host), connect_seconds=0.3)

    async def mend(self) -> None:
        if self._patient is not None:
            await self.shell.close()
            self.shell, self._patient = self._patient, None
        self.lab.mend(self.host)


class AccountGround(HostGround):
    """An account of a person, made with useradd."""

    provider = "linux_accounts"
    kind: ClassVar[type[Action[Any]]] = DisableAccount
    who = "alice"

    async def open(self, request: pytest.FixtureRequest) -> None:
        await super().open(request)
        self.action = DisableAccount(account=self.who)
        await self.said("sh", "-c", _MAKE, "sh", self.who)

    async def close(self) -> None:
        await self.shell.run("pkill", "-KILL", "-u", self.who)
        await self.said("userdel", "-rf", self.who)
        await super().close()

    def accounts(self, own: str = "root") -> LinuxAccounts:
        """The host's accounts, as the runner that signs in as *own* has them."""
        return LinuxAccounts(self.shell, self.host, own=own)

    def resource(self) -> LinuxAccount | LinuxSessions:
        return self.accounts().account(self.who)

    async def dump(self) -> object:
        return (await self.said("cat", "/etc/passwd", "/etc/shadow")).out

    async def place(self) -> None:
        await self.said("chage", "-E", "19000", self.who)

    async def take_away(self) -> None:
        await self.said("chage", "-E", "-1", self.who)

    async def forbidden(self) -> Resource[Any]:
        return self.accounts(own=self.who).account(self.who)


class SessionsGround(AccountGround):
    """A process of that person's."""

    kind = RevokeSessions
    omits: ClassVar = not_held("a session that was ended is not opened again: the person signs in")

    async def open(self, request: pytest.FixtureRequest) -> None:
        await super().open(request)
        self.before = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
        self.action = RevokeSessions(account=self.who, before=self.before)
        words = f"setpriv --reuid={self.who} --clear-groups sleep 60 >/dev/null 2>&1 &"
        await self.said("sh", "-c", words)
        while not await self._processes():
            await asyncio.sleep(0.02)

    def resource(self) -> LinuxSessions:
        return self.accounts().sessions(self.who, self.before)

    async def _processes(self) -> list[str]:
        rows = (await self.shell.run("ps", "-o", "pid=,stat=", "-u", self.who)).out.splitlines()
        return [row for row in rows if " Z" not in row]

    async def dump(self) -> object:
        return await super().dump(), await self._processes()

    async def place(self) -> None:
        await self.said("pkill", "-KILL", "-u", self.who)
        while await self._processes():
            await asyncio.sleep(0.02)

    async def forbidden(self) -> Resource[Any]:
        return self.accounts(own=self.who).sessions(self.who, self.before)


class KernelGround(HostGround):
    """The host's packet filter."""

    async def dump(self) -> object:
        return MOVING.sub("", self.lab.ruleset(self.host))


class RestrictionGround(KernelGround):
    """A network that nobody slows down."""

    provider = "nft_restriction"
    kind = Restrict
    action = Restrict(network=ATTACKER, packets_per_second=20)
    omits: ClassVar = {
        Row.GUARD: "a packet filter does not know whose a network is: policy's protected ones do"
    }

    def resource(self) -> NftRestriction:
        return NftRestriction(self.shell, ATTACKER, point=self.host, nft="/usr/sbin/nft")

    async def place(self) -> None:
        theirs = Limits(packets_per_second=30)  # ours is stricter, and theirs comes back after it
        await self.resource().write(theirs, key="theirs", until=None, tag="CHG-7")

    async def take_away(self) -> None:
        self.lab.nft(self.host, "delete table inet responder_restriction\n")


class FlowLogGround(KernelGround):
    """A host that logs no flows."""

    provider = "nft_flow_log"
    kind = RaiseMonitoring
    action = RaiseMonitoring(host="web")
    omits: ClassVar = NO_GUARD

    def resource(self) -> NftFlowLog:
        return NftFlowLog(self.shell, self.host, MonitoringSettings(nflog_group=5))

    async def place(self) -> None:
        await self.resource().write(Monitoring.RAISED, key="theirs", until=None, tag="CHG-7")

    async def take_away(self) -> None:
        self.lab.nft(self.host, "delete table inet responder_monitoring\n")


class Heard(SshdLogLevel):
    """The provider, waiting after each write until sshd hears the next signal: tests are hasty."""

    def __init__(self, ground: "SshdGround") -> None:
        super().__init__(ground.shell, ground.host)
        self._ground = ground

    async def write(self, state: Monitoring, **more: Any) -> None:
        shell = self._ground.shell
        there = (await shell.run("test", "-e", OURS)).status == 0
        if state is Monitoring.NORMAL and not there:
            await super().write(state, **more)
            return
        async with beginning_anew(self._ground.lab, shell):
            await super().write(state, **more)


class SshdGround(HostGround):
    """An sshd that logs as Debian's does."""

    provider = "sshd_log_level"
    kind = RaiseMonitoring
    action = RaiseMonitoring(host="edge2")
    omits: ClassVar = NO_GUARD
    host = "edge2"

    async def open(self, request: pytest.FixtureRequest) -> None:
        await super().open(request)
        self.kept = (await self.said("cat", MAIN)).out
        self.normal = INCLUDE + self.kept.replace("LogLevel VERBOSE", "LogLevel INFO")
        await configure(self.lab, self.shell, self.normal)

    async def close(self) -> None:
        await self.said("rm", "-f", OURS)
        await configure(self.lab, self.shell, self.kept)
        await super().close()

    def resource(self) -> Heard:
        return Heard(self)

    async def dump(self) -> object:
        return await folder(self.shell)

    async def place(self) -> None:
        theirs = self.normal.replace("LogLevel INFO", "LogLevel DEBUG1")
        await configure(self.lab, self.shell, theirs)

    async def take_away(self) -> None:
        await self.said("rm", "-f", OURS)
        await configure(self.lab, self.shell, self.normal)
