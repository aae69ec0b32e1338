"""One host cut off by everything that can: itself, its switch and its mesh, through the verbs."""

import asyncio
import dataclasses
import shutil
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio

from activities.isolate import Isolate
from activities.ssh import SSHShell
from activities.wiring import Wiring
from responder.inventory import Inventory
from responder.plan import Outcome
from responder.store import Store
from responder.verbs.context import Context
from tests.databases import ManualClock
from tests.lab.mesh import LIGHTHOUSE, Mesh
from tests.lab.network import ECHO, SERVERS, SSH, Lab, address
from tests.lab.switch import ManagedSwitch, managed
from tests.providers.test_nft_isolation import ASKED, ONLY, reached
from tests.verbs.desk import Desk, isolate

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not shutil.which("nebula"), reason="the mesh needs nebula"),
]

POINTS = {"web1", "switch/sw1", "nebula/edge2", "nebula/db"}


@pytest.fixture
def database() -> str:
    """SQLite: what is tried here is not about the database."""
    return "sqlite"


@pytest.fixture(scope="module")
def switch(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManagedSwitch]:
    """The switch, reached over SSH."""
    with managed(lab, tmp_path_factory.mktemp("switch")) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def mesh(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Mesh]:
    """The mesh, with its daemons."""
    shells = {name: SSHShell(lab.access(name)) for name in SERVERS}
    made = Mesh(lab, tmp_path_factory.mktemp("mesh"), shells)
    await made.set_up()
    yield made
    for name, shell in shells.items():
        await made.stop(name)
        await shell.close()


@pytest_asyncio.fixture(loop_scope="module")
async def running(mesh: Mesh) -> Mesh:
    """The mesh, fresh, with a tunnel between its nodes."""
    mesh.open_ports()
    await asyncio.gather(*(mesh.start(name) for name in SERVERS))
    assert mesh.talks("db", "web", within=40), await mesh.said()
    return mesh


def inventory_of(lab: Lab, switch: ManagedSwitch, mesh: Mesh) -> Inventory:
    """What an administrator would write; what an isolated host keeps comes from its segment."""

    def host(name: str, called: str, **more: Any) -> dict[str, Any]:
        addresses = [address(name), address(name, v6=True)]
        access = lab.access(name).model_dump(mode="json")
        return {"name": called, "addresses": addresses, "access": access, **more}

    both = [[address(name), address(name, v6=True)] for name in ("bastion", "evidence")]
    return Inventory.model_validate(
        {
            "points": [],
            "hosts": [
                host("web", "web1", nebula={"name": "web", "fingerprint": mesh.fingerprint("web")}),
                host("edge2", "edge2", nebula={}),
                host("db", "db", nebula={}),
            ],
            "segments": [
                {"name": "management", "networks": both[0]},
                {"name": "evidence", "networks": both[1]},
                {
                    "name": "quarantine",
                    "allow_from": [{"segment": "management", "ports": [22]}],
                    "allow_to": [{"segment": "evidence", "ports": [22]}],
                },
            ],
            "isolation": {"segment": "quarantine"},
            "switches": [
                {
                    "name": "sw1",
                    "access": switch.access.model_dump(mode="json"),
                    "ports": [{"host": "web1", "interface": "web"}],
                }
            ],
        }
    )


@pytest_asyncio.fixture(loop_scope="module")
async def desk(
    lab: Lab, switch: ManagedSwitch, running: Mesh, store: Store, clock: ManualClock
) -> AsyncIterator[Desk]:
    """The verbs on the real providers; kernels go by the real time, so the store does."""
    clock.now = datetime.now(UTC)
    made = Desk(store, clock)
    wiring = Wiring(inventory_of(lab, switch, running), store)
    made.context = dataclasses.replace(made.context, provision=wiring)
    yield made
    await wiring.close()


async def isolated(desk: Desk, run: str) -> dict[str, Outcome]:
    """Ask, approve and do it; how each point stands."""
    asked = await desk.do(run, isolate("web1"))
    await desk.decide(asked.ask)
    (receipt,) = (await desk.do(run, isolate("web1"))).receipts
    return {point.point: point.outcome for point in receipt.points}


async def undo(desk: Desk, *names: str) -> None:
    for name in names:
        await desk.end(name)
        await desk.lift(name)


def of(context: Context) -> dict[str, str]:
    """The resources of isolating `web1`, by point."""
    found = context.provision.resolve(Isolate(host="web1"))
    return {point: resource.name for point, resource in found.items()}


@pytest.mark.parametrize("backwards", [False, True])
async def test_a_host_is_cut_off_by_all_of_them_and_left_as_it_was(
    lab: Lab, switch: ManagedSwitch, running: Mesh, desk: Desk, backwards: bool
) -> None:
    resources = of(desk.context)
    assert set(resources) == POINTS
    before = (
        lab.ruleset("web"),
        switch.ruleset(),
        await running.get("db"),
        await running.get(LIGHTHOUSE),
    )
    flows = [lab.hold("attacker", "web"), lab.hold("attacker", "web", v6=True)]
    through = running.hold("db", "web")
    assert await isolated(desk, await desk.open_run()) == dict.fromkeys(POINTS, Outcome.VERIFIED)
    assert not any(flow.flows(within=0.1) for flow in (*flows, through))
    for v6 in (False, True):
        assert reached(lab, ASKED, v6=v6) == ONLY
    assert not running.talks("db", "web")
    names = sorted(resources.values(), reverse=backwards)
    for name in names[:-1]:
        await undo(desk, name)
        assert not lab.probe("attacker", "web", ECHO, timeout=0.3), "the others still hold"
    await undo(desk, names[-1])
    after = (
        lab.ruleset("web"),
        switch.ruleset(),
        await running.get("db"),
        await running.get(LIGHTHOUSE),
    )
    assert after == before
    assert all(flow.dies(within=40) for flow in flows)
    assert reached(lab, ASKED) == set(ASKED)
    assert running.talks("db", "web", within=40), await running.said()
    through.close()


async def test_one_dead_peer_is_told_and_holds_up_none_of_the_others(
    lab: Lab, switch: ManagedSwitch, running: Mesh, desk: Desk
) -> None:
    before = (lab.ruleset("web"), switch.ruleset(), await running.get(LIGHTHOUSE))
    lab.cut("db")
    stands = await isolated(desk, await desk.open_run())
    assert stands == {**dict.fromkeys(POINTS, Outcome.VERIFIED), "nebula/db": Outcome.UNKNOWN}
    assert not lab.probe("attacker", "web", ECHO, timeout=0.3)
    assert lab.probe("bastion", "web", SSH)
    lab.mend("db")
    desk.clock.advance(seconds=63)  # the longest wait between two tries, and the sweep's own round
    await desk.sweep()
    assert (await desk.row("nebula/db/web1")).outcome == Outcome.VERIFIED
    assert not running.talks("db", "web")
    await undo(desk, *of(desk.context).values())
    assert (lab.ruleset("web"), switch.ruleset(), await running.get(LIGHTHOUSE)) == before
