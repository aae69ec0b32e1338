"""
What every enforcement point of an isolation promises; a new one is one more class and one parameter.

EC2 is not among them: it moves no packets here, and has its own tests against an emulator.
"""

import asyncio
import re
import shutil
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import pytest_asyncio

from activities.isolate import Filter
from activities.providers.bridge_isolation import BridgeIsolation
from activities.providers.nebula import Certificate, NebulaBlock
from activities.providers.nft_isolation import NftIsolation
from activities.ssh import SSHShell
from responder.contract import Found, Resource
from responder.errors import Unreachable
from responder.mesh import NebulaNode
from responder.switches import SwitchPort
from tests.lab.mesh import Mesh
from tests.lab.network import SERVERS, SSH, Lab, address
from tests.lab.switch import managed
from tests.providers.test_nft_isolation import allowing

pytestmark = pytest.mark.asyncio(loop_scope="module")

# What counts down or up by itself, and the handles that a rule is given anew.
_MOVING = re.compile(r"(timeout|expires) \S+|packets \d+ bytes \d+")


class Ground(ABC):
    """One enforcement point, with the means to look at it behind the provider's back."""

    node: Resource[Filter]

    @abstractmethod
    async def dump(self) -> str:
        """All that the point holds, ours and everybody's."""

    @abstractmethod
    async def talks(self) -> bool:
        """Whether `db` gets a word out of `web` through what this point filters."""

    @abstractmethod
    def silence(self) -> Resource[Filter]:
        """Make the point answer nobody; returns the resource that must say so."""


class OnTheHost(Ground):
    """The host's own packet filter."""

    def __init__(self, lab: Lab, shell: SSHShell, hasty: SSHShell) -> None:
        self._lab = lab
        self._hasty = hasty
        self.node = NftIsolation(shell, "web", allowing("bastion"))

    async def dump(self) -> str:
        return self._lab.ruleset("web")

    async def talks(self) -> bool:
        return self._lab.probe("db", "web")

    def silence(self) -> Resource[Filter]:
        self._lab.cut("web")
        return NftIsolation(self._hasty, "web", allowing("bastion"))


class OnTheSwitch(Ground):
    """The switch's bridge filter."""

    def __init__(self, lab: Lab, shell: SSHShell) -> None:
        self._lab = lab
        self._shell = shell
        self.node = self._place("web")

    def _place(self, interface: str) -> BridgeIsolation:
        addresses = [ip_address(address("web", v6=v6)) for v6 in (False, True)]
        port = SwitchPort(host="web", interface=interface)
        return BridgeIsolation(self._shell, "switch", port, addresses, allowing("bastion"))

    async def dump(self) -> str:
        return self._lab.run("switch", "nft", "list", "ruleset")

    async def talks(self) -> bool:
        return self._lab.probe("db", "web")

    def silence(self) -> Resource[Filter]:
        return self._place("moved")


class InTheMesh(Ground):
    """A peer's block list."""

    def __init__(self, lab: Lab, mesh: Mesh, shell: SSHShell, hasty: SSHShell) -> None:
        self._lab = lab
        self._mesh = mesh
        known = Certificate(None, "web", NebulaNode(fingerprint=mesh.fingerprint("web")))
        self.node = NebulaBlock(shell, "db", NebulaNode(), "web", known.fingerprint)
        self._silent = NebulaBlock(hasty, "db", NebulaNode(), "web", known.fingerprint)

    async def dump(self) -> str:
        return await self._mesh.get("db")

    async def talks(self) -> bool:
        return await asyncio.to_thread(self._mesh.talks, "db", "web", within=0)

    def silence(self) -> Resource[Filter]:
        self._lab.cut("db")
        return self._silent


@asynccontextmanager
async def _host(lab: Lab, _: Path) -> AsyncIterator[Ground]:
    shell = SSHShell(lab.access("web"))
    hasty = SSHShell(lab.access("web"), connect_seconds=1, command_seconds=0.6)
    yield OnTheHost(lab, shell, hasty)
    await asyncio.gather(shell.close(), hasty.close())


@asynccontextmanager
async def _switch(lab: Lab, folder: Path) -> AsyncIterator[Ground]:
    with managed(lab, folder) as switch:
        shell = SSHShell(switch.access)
        yield OnTheSwitch(lab, shell)
        await shell.close()


@asynccontextmanager
async def _mesh(lab: Lab, folder: Path) -> AsyncIterator[Ground]:
    if not shutil.which("nebula"):
        pytest.skip("the mesh needs nebula")
    shells = {name: SSHShell(lab.access(name)) for name in SERVERS}
    hasty = SSHShell(lab.access("db"), connect_seconds=1, command_seconds=0.6)
    mesh = Mesh(lab, folder, shells)
    await mesh.set_up()
    mesh.open_ports()
    await asyncio.gather(*(mesh.start(name) for name in SERVERS))
    assert await asyncio.to_thread(mesh.talks, "db", "web", within=8)
    yield InTheMesh(lab, mesh, shells["db"], hasty)
    lab.mend("db")
    for name in SERVERS:
        await mesh.stop(name)
    await asyncio.gather(*(shell.close() for shell in (*shells.values(), hasty)))


Opening = Callable[[Lab, Path], AbstractAsyncContextManager[Ground]]
GROUNDS: tuple[Opening, ...] = (_host, _switch, _mesh)


@pytest_asyncio.fixture(loop_scope="module", params=GROUNDS, ids=("host", "switch", "mesh"))
async def ground(request: pytest.FixtureRequest, lab: Lab, tmp_path: Path) -> AsyncIterator[Ground]:
    """One enforcement point, as it was before us."""
    opening: Opening = request.param
    async with opening(lab, tmp_path) as made:
        yield made


def soon(seconds: float) -> datetime:
    return datetime.now(UTC) + timedelta(seconds=seconds)


async def isolate(ground: Ground, seconds: float = 600) -> None:
    await ground.node.write(
        Filter.ISOLATED, key="step", until=soon(seconds), tag="INC-2026-0001", record=None
    )


async def free(ground: Ground, found: Found[Filter]) -> None:
    await ground.node.write(Filter.OPEN, key="undo", until=None, tag="", record=found.record)


def still(dump: str) -> str:
    """A dump without what moves by itself."""
    return _MOVING.sub("", dump)


async def quiet(ground: Ground) -> bool:
    """Whether nothing passes any more, within the seconds that containment may take."""
    give_up = soon(5)
    while await ground.talks():
        if datetime.now(UTC) > give_up:
            return False
    return True


async def test_reading_changes_nothing_and_says_the_same_twice(ground: Ground) -> None:
    before = await ground.dump()
    found = await ground.node.read()
    assert found.state is Filter.OPEN
    assert await ground.node.read() == found
    assert await ground.dump() == before


async def test_what_is_isolated_reads_back_so_and_nothing_passes(lab: Lab, ground: Ground) -> None:
    assert await ground.talks()
    await isolate(ground)
    found = await ground.node.read()
    assert found.state is Filter.ISOLATED
    assert await quiet(ground)
    assert lab.probe("bastion", "web", SSH), "the runner still gets in"
    if ground.node.expires_by_itself:
        assert found.expires is not None
        assert abs(found.expires - soon(600)) < timedelta(seconds=5)
    else:
        assert found.expires is None


async def test_writing_twice_is_one_effect(ground: Ground) -> None:
    await isolate(ground)
    once = still(await ground.dump())
    await isolate(ground)
    assert still(await ground.dump()) == once
    assert (await ground.node.read()).state is Filter.ISOLATED


async def test_the_undo_leaves_what_was_found_to_the_last_byte_and_is_done_once(
    ground: Ground,
) -> None:
    before, found = await ground.dump(), await ground.node.read()
    await isolate(ground)
    assert await ground.dump() != before
    for _ in range(2):
        await free(ground, found)
        assert await ground.dump() == before
        assert (await ground.node.read()).state is Filter.OPEN


async def test_isolating_again_after_an_undo_works_as_the_first_time(ground: Ground) -> None:
    before, found = await ground.dump(), await ground.node.read()
    for _ in range(2):
        await isolate(ground)
        assert (await ground.node.read()).state is Filter.ISOLATED
        await free(ground, found)
    assert await ground.dump() == before


async def test_a_point_that_does_not_answer_is_unknown_and_never_open(ground: Ground) -> None:
    silent = ground.silence()
    with pytest.raises(Unreachable):
        await silent.read()
