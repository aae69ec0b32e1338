"""The lab's Linux firewall as ground for the contract, over SSH and by commands on this machine."""

import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from activities.local import LocalShell
from activities.providers.ipset import IpsetBlock, Programs
from activities.providers.nftables import NftablesBlock
from activities.shell import Shell
from activities.ssh import SSHShell
from responder.access import Local
from responder.incident import Network
from tests.lab.network import Lab
from tests.lab.traffic import Held
from tests.providers.ground import Ground, Opening

HOST = "web"


class LinuxGround(Ground):
    """`web` of the lab, which filters statefully."""

    def __init__(self, lab: Lab, shell: Shell) -> None:
        self.lab = lab
        self.shell = shell

    async def passes(self, *, v6: bool) -> bool:
        return self.lab.probe("attacker", HOST, v6=v6, timeout=0.4)

    def hold(self, *, v6: bool, inward: bool) -> Held:
        ends = ("attacker", HOST) if inward else (HOST, "attacker")
        return self.lab.hold(*ends, v6=v6)

    async def silence(self) -> None:
        if isinstance(self.shell, NamespaceShell):
            self.shell.enter("nowhere")
        else:
            self.lab.cut(HOST)

    async def mend(self) -> None:
        if isinstance(self.shell, NamespaceShell):
            self.shell.enter(HOST)
        else:
            self.lab.mend(HOST)

    def clean(self) -> None:
        """Leave the host as it was booted."""
        self.lab.reset()


class NftablesGround(LinuxGround):
    """nftables there."""

    def block(self, network: Network) -> NftablesBlock:
        return NftablesBlock(
            self.shell, network, point="point", table="responder", nft="/usr/sbin/nft"
        )

    async def dump(self) -> str:
        return self.lab.ruleset(HOST)

    async def place(self, network: Network) -> None:
        # The provider makes the set; its element is then replaced by one that has no tag and no end.
        theirs = self.block(network)
        await theirs.write(True, key="theirs", until=None, tag="")
        where = f"{theirs._where} {{ {network.network_address} }}"
        self.lab.nft(HOST, f"delete {where}\nadd {where}\n")


class IpsetGround(LinuxGround):
    """iptables and ipset there, of the kind that is a face of nftables."""

    kind = "nft"

    @property
    def programs(self) -> Programs:
        """The iptables of this ground's kind."""
        return Programs(
            ipset="/usr/sbin/ipset",
            iptables=f"/usr/sbin/iptables-{self.kind}",
            ip6tables=f"/usr/sbin/ip6tables-{self.kind}",
        )

    def block(self, network: Network) -> IpsetBlock:
        return IpsetBlock(
            self.shell, network, point="point", prefix="responder", programs=self.programs
        )

    async def dump(self) -> str:
        """
        `ipset save` and iptables-save of both families.

        Without built-in tables that hold no rule: they come into being when first looked at, and
        neither kind of iptables can take them away again. Without times, counters and the sets'
        hash seeds, which are different at each look.
        """
        saved = self.lab.run(HOST, "ipset", "save")
        dumped = [re.sub(r" (initval|hashsize) \S+", "", saved)]
        for program in (self.programs.iptables, self.programs.ip6tables):
            tables = self.lab.run(HOST, f"{program}-save").split("*")[1:]
            rules = [re.sub(r"\[\d+:\d+\]|#.*", "", one).split() for one in tables]
            dumped += [" ".join(one) for one in rules if "-A" in one or "-" in one]
        return "\n".join((*dumped, self.lab.ruleset(HOST) if self.kind == "legacy" else ""))

    async def place(self, network: Network) -> None:
        theirs = self.block(network)
        await theirs.write(True, key="theirs", until=None, tag="")
        self.lab.run(HOST, "ipset", "del", theirs._set, str(network))
        self.lab.run(HOST, "ipset", "add", theirs._set, str(network))

    def clean(self) -> None:
        super().clean()
        for program in (self.programs.iptables, self.programs.ip6tables):
            for what in ("-F", "-X"):
                self.lab.run(HOST, program, "-t", "raw", what)
        self.lab.run(HOST, "ipset", "destroy")
        super().clean()


class LegacyIpsetGround(IpsetGround):
    """The same with the iptables of before nftables."""

    kind = "legacy"


class NamespaceShell(LocalShell):
    """Commands in a host's network namespace, without SSH."""

    def __init__(self, host: str) -> None:
        self.enter(host)

    def enter(self, host: str) -> None:
        """From now on in the namespace of *host*."""
        super().__init__(Local(prefix=("ip", "netns", "exec", host)))


def over_ssh(make: Callable[[Lab, Shell], LinuxGround]) -> Opening:
    """The ground that *make* makes, reached over SSH by a connection that gives up soon."""

    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
        lab: Lab = request.getfixturevalue("lab")
        shell = SSHShell(lab.access(HOST), connect_seconds=1, command_seconds=2)
        ground = make(lab, shell)
        try:
            yield ground
        finally:
            await shell.close()
            ground.clean()

    return opened


def without_ssh(make: Callable[[Lab, Shell], LinuxGround]) -> Opening:
    """The ground that *make* makes, by commands on this machine."""

    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
        ground = make(request.getfixturevalue("lab"), NamespaceShell(HOST))
        try:
            yield ground
        finally:
            ground.clean()

    return opened
