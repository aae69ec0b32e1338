"""
A host that is offline when it should be isolated: pending, told to people, and made when it is back.

Its wave is the last one that is begun.
"""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.conftest import on_the_lab
from tests.e2e.runner import Runner, wazuh
from tests.lab.network import ECHO, SSH, Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = {tier: {"people": 0, "stepped_up": 0} for tier in ("T0", "T1", "T2", "T3")}
# The longest wait between two tries of a silent point (60 s), the sweep's own round (2 s), and the
# seconds that a connection may take: `responder.verbs.enforcing` and `.sweeping`.
BACK_WITHIN = 60 + 2 + 10


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner that isolates without asking, in waves."""
    folder: Path = tmp_path_factory.mktemp("waving")
    settings = on_the_lab(lab) | {
        "playbooks": ["tests.e2e.waving_playbook:PLAYBOOKS"],
        "tiers": {"needs": NOBODY},
        "budgets": {"Isolate": 100},
    }
    edge = {
        "name": "edge-2",
        "addresses": ["198.51.100.11"],
        "access": lab.access("edge2").model_dump(mode="json"),
    }
    settings["inventory"]["hosts"].append(edge)
    settings["inventory"]["points"] = []
    made = Runner(folder, settings)
    await made.start()
    yield made
    await made.close()


async def test_a_host_that_is_offline_is_pending_and_isolated_when_it_is_back(
    runner: Runner, lab: Lab
) -> None:
    lab.cut("db")
    try:
        await runner.post(wazuh("203.0.113.90", host="web-1", level=12))
        incident = await runner.about("203.0.113.90")
        number = incident["id"]

        async def stopped() -> list[Any]:
            return runner.rows(
                "SELECT said FROM runs WHERE incident = ? AND state = 'failed'", number
            )

        (run,) = await runner.until(stopped, "the waves to stop", 90)
        assert "isolate db-1: unknown at db-1" in run["said"]
        assert "stopped after 2 of 3, not begun: isolate edge-2" in run["said"]
        seen = await runner.status(number, "partly contained")
        assert stands(runner) == {"filter/web-1": "verified", "filter/db-1": "unknown"}
        assert "isolate edge-2" not in str(runner.rows("SELECT summary FROM holds"))
        assert not lab.probe("attacker", "web", ECHO, timeout=0.4)
        assert lab.probe("attacker", "edge2", ECHO), "the third wave was not begun"
        assert not contain_clock(runner, number)["met"], "the clock goes on"

        async def told() -> list[Any]:
            return runner.rows(
                "SELECT subject, body FROM messages WHERE loud AND body LIKE '%filter/db-1 (unknown)%'"
            )

        (message, *_) = await runner.until(told, "people to be told")
        assert "only partly contained" in message["subject"]
        assert "tried again" in message["body"]
        assert seen["status"] != "contained"
    finally:
        lab.mend("db")
    back = time.monotonic()

    async def isolated() -> bool:
        return stands(runner)["filter/db-1"] == "verified"

    await runner.until(isolated, "the isolation to be made", BACK_WITHIN)
    print(f"isolated {time.monotonic() - back:.1f} s after the host was back")
    assert not lab.probe("attacker", "db", ECHO, timeout=0.4)
    assert lab.probe("bastion", "db", SSH, timeout=2)
    assert not contain_clock(runner, number)["met"], "edge-2 was never begun"


def stands(runner: Runner) -> dict[str, str]:
    """How each resource stands."""
    return {row["name"]: row["outcome"] for row in runner.rows("SELECT * FROM resources")}


def contain_clock(runner: Runner, incident: str) -> Any:
    """The row of the contain clock."""
    query = "SELECT * FROM clocks WHERE incident = ? AND clock = 'contain'"
    (row,) = runner.rows(query, incident)
    return row
