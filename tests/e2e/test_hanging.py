"""A playbook that blocks the event loop of a whole runner: people are told, and everything else goes on."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.runner import Runner, wazuh

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def spinning(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    made = Runner(
        tmp_path_factory.mktemp("runner"),
        {"playbooks": ["tests.e2e.hanging_playbook:PLAYBOOKS"]},
    )
    await made.start()
    yield made
    await made.close()


async def test_a_playbook_that_spins_is_told_in_a_line_and_holds_up_nobody(
    spinning: Runner,
) -> None:
    await spinning.post(wazuh("203.0.113.71", host="spins", level=7))
    incident = await spinning.about("203.0.113.71")

    async def told() -> dict[str, Any] | None:
        found = await spinning.incident(incident["id"])
        hangs = [m for m in found["messages"] if "the playbook does not go on" in m["subject"]]
        return hangs[0] if hangs else None

    message = await spinning.until(told, "people to be told", 120)
    first = message["body"].splitlines()[0]
    assert "deadlock" in first
    assert "does not give the event loop back" in message["body"]
    assert message["loud"]

    await spinning.post(wazuh("203.0.113.72", level=7))
    other = await spinning.about("203.0.113.72")

    async def done() -> dict[str, Any] | None:
        found = await spinning.incident(other["id"])
        return found if [run["state"] for run in found["runs"]] == ["done"] else None

    other = await spinning.until(done, "another incident's run to end", 120)
    assert [hold["summary"] for hold in other["holds"]] == ["block 203.0.113.72"]

    found = await spinning.incident(incident["id"])
    assert found["steps"] == [], "nothing half done"
    assert {c["clock"] for c in found["clocks"] if c["met"] is None} >= {"acknowledge", "resolve"}
    acknowledged = await spinning.api("POST", f"/api/incidents/{incident['id']}/ack")
    assert acknowledged

    async def looked() -> bool:
        clocks = (await spinning.incident(incident["id"]))["clocks"]
        return any(c["clock"] == "acknowledge" and c["met"] for c in clocks)

    await spinning.until(looked, "the incident's clock to go on", 60)
    hangs = [m for m in found["messages"] if "does not go on" in m["subject"]]
    assert len(hangs) == 1, "once is enough"
