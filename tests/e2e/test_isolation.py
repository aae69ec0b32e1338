"""
A node isolated by a whole runner whose worker is killed around the write, judged by packets.

The attacker's open flows are dead within five seconds of containment, new ones fail over IPv4 and
IPv6, the runner still gets in, and after the undo the ruleset is byte for byte what it was.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e import faults
from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import Runner, wazuh
from tests.lab.network import ECHO, SSH, Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

MOMENTS = ("before write", "during write", "after write", "after read-back", "")
NOBODY = {tier: {"people": 0, "stepped_up": 0} for tier in ("T0", "T1", "T2", "T3")}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner that isolates without asking, and whose workers can be doomed."""
    folder: Path = tmp_path_factory.mktemp("isolating")
    settings = on_the_lab(lab) | {
        "wiring": "tests.e2e.faults:FaultyWiring",
        "playbooks": ["tests.e2e.isolating_playbook:PLAYBOOKS"],
        "tiers": {"needs": NOBODY},
        "budgets": {"Isolate": 100},
    }
    made = Runner(folder, settings)
    made.environment[faults.FILE] = str(folder / "fault")
    await made.start()
    yield made
    await made.close()


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_worker_killed_around_an_isolation_leaves_one_and_its_undo_leaves_nothing(
    runner: Runner, lab: Lab, moment: str
) -> None:
    before = lab.ruleset("web")
    flows = {
        "in from the attacker": lab.hold("attacker", "web"),
        "in from the attacker, IPv6": lab.hold("attacker", "web", v6=True),
        "out to the attacker": lab.hold("web", "attacker"),
        "to the database": lab.hold("web", "db"),
    }
    assert all(flow.flows() for flow in flows.values())
    flag = Path(runner.environment[faults.FILE])
    flag.write_text(moment)
    subject = f"203.0.113.{60 + MOMENTS.index(moment)}"
    await runner.post(wazuh(subject, host="web-1", level=10))

    async def died() -> bool:
        return not flag.exists()

    if moment:
        await runner.until(died, f"the worker to die {moment}", 60)
    incident = await runner.about(subject)
    incident = await runner.status(incident["id"], "contained", 90)
    contained = time.monotonic()
    alive = [name for name, flow in flows.items() if flow.flows(within=0.2)]
    assert alive == []
    assert time.monotonic() - contained <= 5
    for v6 in (False, True):
        assert not lab.probe("attacker", "web", ECHO, timeout=0.4, v6=v6)
        assert not lab.probe("web", "attacker", ECHO, timeout=0.4, v6=v6)
    assert lab.probe("bastion", "web", SSH, timeout=2)  # its management address is an IPv4 one

    code = await runner.fresh_code("ana")
    await runner.api("POST", "/api/leases/end", json={"resource": "filter/web-1", "code": code})

    async def as_before() -> bool:
        return await asyncio.to_thread(lab.ruleset, "web") == before

    await runner.until(as_before, "the ruleset to be what it was", 60)
    assert [name for name, flow in flows.items() if not flow.dies(within=40)] == []
    assert lab.probe("attacker", "web", ECHO)
    kinds = [
        row["kind"]
        for row in runner.rows("SELECT kind FROM audit WHERE incident = ?", incident["id"])
    ]
    assert (kinds.count("planned"), kinds.count("intent")) == (1, 1)
    assert (await runner.api("GET", "/api/audit/verification"))["fault"] is None
    await runner.api(
        "POST", f"/api/incidents/{incident['id']}/close", json={"resolution": "resolved"}
    )
