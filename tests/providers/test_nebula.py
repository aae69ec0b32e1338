"""Shutting a host out of a mesh of real Nebula daemons, judged by packets through its tunnels."""

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from activities.isolate import Filter
from activities.providers.nebula import Certificate, NebulaBlock
from activities.ssh import SSHShell
from responder.errors import Unreachable
from responder.mesh import NebulaNode
from tests.lab.mesh import CONFIG, LIGHTHOUSE, LOG, Mesh, text_of
from tests.lab.network import SERVERS, SSH, Lab

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not shutil.which("nebula"), reason="the mesh needs nebula"),
]

NODE = NebulaNode()
Peer = Callable[..., NebulaBlock]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shells(lab: Lab) -> AsyncIterator[dict[str, SSHShell]]:
    """A kept connection to each server."""
    opened = {name: SSHShell(lab.access(name)) for name in SERVERS}
    yield opened
    for one in opened.values():
        await one.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signed(
    lab: Lab, shells: dict[str, SSHShell], tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Mesh]:
    """The mesh with its certificates; no daemon runs after the module."""
    made = Mesh(lab, tmp_path_factory.mktemp("mesh"), shells)
    await made.set_up()
    yield made
    for name in SERVERS:
        await made.stop(name)


@pytest_asyncio.fixture(loop_scope="module")
async def mesh(lab: Lab, signed: Mesh) -> Mesh:
    """The mesh with fresh daemons, and a tunnel between the two nodes."""
    await signed.up()
    return signed


@pytest.fixture
def peer(shells: dict[str, SSHShell], mesh: Mesh) -> Peer:
    """What refuses a host at a peer."""

    def make(name: str, host: str = "web", **more: object) -> NebulaBlock:
        node = NODE.model_copy(update=more)
        certificate = Certificate(shells[host], host, NODE)
        return NebulaBlock(shells[name], name, node, host, certificate.fingerprint)

    return make


async def shut_out(block: NebulaBlock) -> None:
    until = datetime.now(UTC) + timedelta(hours=1)
    await block.write(Filter.ISOLATED, key="step", until=until, tag="INC-2026-0001")


async def let_in(block: NebulaBlock, record: object = None) -> None:
    await block.write(Filter.OPEN, key="undo", until=None, tag="", record=record)  # type: ignore[arg-type]


async def state(block: NebulaBlock) -> Filter:
    return (await block.read()).state


async def test_a_live_tunnel_is_torn_down_and_comes_back_after_the_undo(
    lab: Lab, mesh: Mesh, peer: Peer
) -> None:
    blocks = [peer(LIGHTHOUSE), peer("db", log=LOG)]
    before = [await mesh.get(name) for name in (LIGHTHOUSE, "db")]
    held, other = mesh.hold("db", "web"), mesh.hold("db", LIGHTHOUSE)
    assert held.flows()
    assert [await state(one) for one in blocks] == [Filter.OPEN] * 2
    await asyncio.gather(*map(shut_out, blocks))
    ended = time.monotonic()
    assert [await state(one) for one in blocks] == [Filter.ISOLATED] * 2
    while held.flows(within=0.5):
        assert time.monotonic() < ended + 5, "the tunnel stayed"
    assert not mesh.talks("db", "web")
    assert not mesh.talks("web", "db")
    assert not mesh.talks("web", LIGHTHOUSE)
    assert other.flows(), "the others' tunnels are not touched"
    assert lab.probe("bastion", "web", SSH), "the runner still gets in"
    await asyncio.gather(*map(let_in, blocks))
    assert [await mesh.get(name) for name in (LIGHTHOUSE, "db")] == before
    assert [await state(one) for one in blocks] == [Filter.OPEN] * 2
    assert mesh.talks("db", "web", within=40), await mesh.said()
    await asyncio.gather(*map(shut_out, blocks))
    assert [await state(one) for one in blocks] == [Filter.ISOLATED] * 2, "not only the first time"
    held.close()
    other.close()


async def test_a_daemon_started_without_disconnect_invalid_is_refused_and_left_alone(
    mesh: Mesh, peer: Peer
) -> None:
    await mesh.start("db", disconnects=False)
    before = await mesh.get("db")
    with pytest.raises(
        RuntimeError, match=r"expected pki\.disconnect_invalid: true .* nothing was changed"
    ):
        await shut_out(peer("db"))
    assert await mesh.get("db") == before
    assert await state(peer("db")) is Filter.OPEN


async def test_setting_it_in_the_file_of_a_running_daemon_is_not_believed(
    mesh: Mesh, peer: Peer
) -> None:
    await mesh.start("db", disconnects=False)
    await asyncio.sleep(2.1)  # its start is known to the second
    await mesh.put("db", CONFIG, text_of("db"))
    await mesh.reload("db")
    with pytest.raises(RuntimeError, match="was changed since its daemon started"):
        await shut_out(peer("db"))
    assert await mesh.get("db") == text_of("db")


async def test_an_entry_that_the_daemon_has_not_read_is_not_an_isolation(
    mesh: Mesh, peer: Peer
) -> None:
    await asyncio.sleep(2.1)
    listed = f'  blocklist:\n    - "{mesh.fingerprint("web")}"'
    await mesh.put("db", CONFIG, text_of("db", blocklist=listed))
    assert await state(peer("db")) is Filter.OPEN
    assert mesh.talks("db", "web")


async def test_an_entry_that_was_there_before_survives_the_undo(mesh: Mesh, peer: Peer) -> None:
    listed = f'  blocklist: ["{mesh.fingerprint("web")}"]'
    await mesh.start("db", text_of("db", blocklist=listed))
    found = await peer("db").read()
    assert found.state is Filter.ISOLATED
    assert found.record == {"listed before us": [mesh.fingerprint("web")]}
    await shut_out(peer("db"))
    await let_in(peer("db"), found.record)
    assert await mesh.get("db") == text_of("db", blocklist=listed)


@pytest.mark.parametrize("first", ["web", LIGHTHOUSE])
async def test_two_hosts_are_refused_at_once_and_let_in_in_either_order(
    mesh: Mesh, peer: Peer, first: str
) -> None:
    before = await mesh.get("db")
    blocks = {host: peer("db", host) for host in ("web", LIGHTHOUSE)}
    await asyncio.gather(*map(shut_out, blocks.values()))
    assert [await state(one) for one in blocks.values()] == [Filter.ISOLATED] * 2
    await let_in(blocks.pop(first))
    (other,) = blocks.values()
    assert await state(other) is Filter.ISOLATED
    await let_in(other)
    assert await mesh.get("db") == before


async def test_what_somebody_else_changes_meanwhile_stays(mesh: Mesh, peer: Peer) -> None:
    await shut_out(peer("db"))
    edited = (await mesh.get("db")).replace("mtu: 1300", "mtu: 1280")
    await mesh.put("db", CONFIG, edited)
    await mesh.reload("db")
    assert await state(peer("db")) is Filter.ISOLATED
    await let_in(peer("db"))
    assert await mesh.get("db") == text_of("db").replace("mtu: 1300", "mtu: 1280")


async def test_a_restarted_daemon_has_what_its_file_says(mesh: Mesh, peer: Peer) -> None:
    await shut_out(peer("db"))
    await mesh.start("db", await mesh.get("db"))
    assert await state(peer("db")) is Filter.ISOLATED
    assert not mesh.talks("web", "db")


async def test_a_daemon_that_is_not_running_is_given_the_entry_for_its_start(
    mesh: Mesh, peer: Peer
) -> None:
    await mesh.stop("db")
    await shut_out(peer("db"))
    assert await state(peer("db")) is Filter.ISOLATED
    assert mesh.fingerprint("web") in await mesh.get("db")


async def test_a_daemon_of_another_configuration_is_unknown(mesh: Mesh, peer: Peer) -> None:
    await mesh.put("db", "/etc/nebula/other.yml", text_of("db"))
    with pytest.raises(
        Unreachable, match="expected one nebula daemon with -config /etc/nebula/other"
    ):
        await peer("db", config="/etc/nebula/other.yml").read()


async def test_what_nebula_itself_refuses_is_not_put_in_place(mesh: Mesh, peer: Peer) -> None:
    broken = text_of("db").replace("/etc/nebula/host.crt", "/etc/nebula/none.crt")
    await mesh.stop("db")
    await mesh.put("db", CONFIG, broken)
    with pytest.raises(RuntimeError, match="nebula refuses the configuration"):
        await shut_out(peer("db"))
    assert await mesh.get("db") == broken


async def test_a_dead_peer_is_unknown_and_holds_up_nobody_else(
    lab: Lab, mesh: Mesh, peer: Peer
) -> None:
    hasty = SSHShell(lab.access("db"), connect_seconds=1, command_seconds=1)
    certificate = Certificate(None, "web", NebulaNode(fingerprint=mesh.fingerprint("web")))
    dead = NebulaBlock(hasty, "db", NODE, "web", certificate.fingerprint)
    lab.cut("db")
    said = await asyncio.gather(shut_out(dead), shut_out(peer(LIGHTHOUSE)), return_exceptions=True)
    assert isinstance(said[0], Unreachable)
    assert said[1] is None
    assert await state(peer(LIGHTHOUSE)) is Filter.ISOLATED
    await hasty.close()


async def test_a_host_that_cannot_say_its_fingerprint_is_unknown_unless_it_is_known(
    mesh: Mesh, shells: dict[str, SSHShell]
) -> None:
    nobody = Certificate(None, "web", NODE)
    with pytest.raises(Unreachable, match=r"nebula\.fingerprint or a way to ask"):
        await NebulaBlock(shells["db"], "db", NODE, "web", nobody.fingerprint).read()
    foreign = Certificate(shells["db"], "web", NODE)
    with pytest.raises(Unreachable, match=r"expected /etc/nebula/host\.crt to be of web, found db"):
        await foreign.fingerprint()
    assert await Certificate(shells["web"], "web", NODE).fingerprint() == mesh.fingerprint("web")


async def test_a_host_that_is_gone_is_let_in_again_by_what_was_listed_for_it(
    mesh: Mesh, shells: dict[str, SSHShell], peer: Peer
) -> None:
    before = await mesh.get("db")
    await shut_out(peer("db"))
    gone = NebulaBlock(shells["db"], "db", NODE, "web", Certificate(None, "web", NODE).fingerprint)
    assert await state(gone) is Filter.ISOLATED
    await let_in(gone)
    assert await mesh.get("db") == before
