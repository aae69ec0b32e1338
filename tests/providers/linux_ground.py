"""The lab's Linux firewall as ground for the contract, over SSH and by commands on this machine."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from activities.local import LocalShell
from activities.providers.nftables import NftablesBlock
from activities.shell import Shell
from activities.ssh import SSHShell
from responder.access import Local
from responder.incident import Network
from tests.lab.network import Lab
from tests.providers.ground import Ground, Opening

HOST = "web"


class LinuxGround(Ground):
    """`web` of the lab, which filters statefully."""

    def __init__(self, lab: Lab, shell: Shell) -> None:
        self.lab = lab
        self.shell = shell

    async def passes(self, *, v6: bool) -> bool:
        return self.lab.probe("attacker", HOST, v6=v6, timeout=0.4)

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
