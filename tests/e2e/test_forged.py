"""Whoever reaches Temporal, even with the payload key, causes no effect, no undo and no extension."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client

from responder.contract import Request
from responder.crypto.keyring import KeyRing
from responder.incident import Incident, Indicators, Priority
from responder.workflows.wire import Batch, IncidentStart, LeaseStart
from tests.e2e.runner import Runner, wazuh
from tests.e2e.test_leases import elements
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

VICTIM = "198.51.100.99"
BLOCK = Request(kind="Block", params={"network": f"{VICTIM}/32", "lasts": "PT24H"})


def forged_incident(name: str) -> Incident:
    """Facts that no authenticated alert ever said."""
    return Incident(
        id=name,
        title="forged",
        priority=Priority.P1,
        category="authentication_attack",
        subject=VICTIM,
        began=datetime.now(UTC),
        opened=datetime.now(UTC),
        indicators=Indicators.model_validate({"networks": [f"{VICTIM}/32"], "hosts": ["web-1"]}),
    )


async def told(runner: Runner, words: str) -> list[dict[str, Any]]:
    """The messages to people whose subject has *words*, waited for at most a minute."""

    async def look() -> list[dict[str, Any]]:
        rows = runner.rows("SELECT * FROM messages WHERE subject LIKE ?", f"%{words}%")
        return [dict(row) for row in rows]

    found: list[dict[str, Any]] = await runner.until(look, f"people to be told {words!r}", 60)
    return found


async def contained(runner: Runner, address: str) -> dict[str, Any]:
    await runner.post(wazuh(address, level=7))
    incident = await runner.about(address)
    return await runner.status(incident["id"], "contained")


async def test_a_playbook_started_by_a_stranger_does_nothing_and_raises_the_alarm(
    runner: Runner, lab: Lab
) -> None:
    client = await runner.temporal()
    for name in ("INC-2026-9999/authentication-attack/1", "anything"):
        handle = await client.start_workflow(
            "AuthenticationAttack",
            forged_incident("INC-2026-9999"),
            id=name,
            task_queue="responder",
        )
        with pytest.raises(Exception):  # noqa: B017, PT011 - a workflow failure of whatever kind
            await handle.result()
    assert await told(runner, "Refused work that was not ours")
    for host in ("web", "edge2"):
        assert not elements(lab, host, VICTIM)
    assert not runner.rows("SELECT * FROM holds WHERE resource LIKE ?", f"%{VICTIM}%")


async def test_a_closed_runs_id_started_again_with_another_target_does_nothing(
    runner: Runner, lab: Lab
) -> None:
    incident = await contained(runner, "203.0.113.61")
    run = incident["runs"][0]["id"]
    client = await runner.temporal()

    async def closed() -> bool:
        return (await runner.incident(incident["id"]))["runs"][0]["closed"] is not None

    await runner.until(closed, "the run to end")
    handle = await client.start_workflow(
        "AuthenticationAttack", forged_incident(incident["id"]), id=run, task_queue="responder"
    )
    with pytest.raises(Exception):  # noqa: B017, PT011 - a workflow failure of whatever kind
        await handle.result()
    assert not elements(lab, "web", VICTIM)
    kinds = runner.rows("SELECT kind FROM audit WHERE kind = 'forged' AND subject = ?", run)
    assert kinds


async def test_activities_called_by_a_strangers_workflow_or_alone_do_nothing(
    runner: Runner, lab: Lab
) -> None:
    client: Client = await runner.temporal()
    batch = Batch(step=1, actions=(BLOCK,))
    handle = await client.start_activity(
        "do",
        batch,
        id="alone",
        task_queue="responder",
        start_to_close_timeout=timedelta(seconds=20),
    )
    with pytest.raises(Exception):  # noqa: B017, PT011 - an activity failure of whatever kind
        await handle.result()
    assert not elements(lab, "web", VICTIM)
    assert runner.rows("SELECT seq FROM audit WHERE kind = 'forged' AND subject = '-'")
    assert runner.rows("SELECT id FROM messages WHERE key LIKE 'forged//%' AND loud")


async def test_a_forged_lease_neither_undoes_nor_extends(runner: Runner, lab: Lab) -> None:
    incident = await contained(runner, "203.0.113.62")
    resource = "block/fra1/203.0.113.62"
    before = runner.rows("SELECT until FROM holds WHERE resource = ?", resource)[0]["until"]
    client = await runner.temporal()
    for until in (datetime.now(UTC) - timedelta(hours=1), datetime.now(UTC) + timedelta(days=300)):
        await client.start_activity(
            "lift",
            LeaseStart(resource=resource, until=until),
            id=f"lift-{until:%Y}-{until:%H%M%S}",
            task_queue="responder",
            start_to_close_timeout=timedelta(seconds=20),
        )
    real = client.get_workflow_handle(f"lease/{resource}")
    await real.signal("look")
    await real.terminate(reason="forged")
    await asyncio.sleep(2)
    assert elements(lab, "web", "203.0.113.62")
    assert runner.rows("SELECT until FROM holds WHERE resource = ?", resource)[0]["until"] == before

    async def again() -> bool:
        return (await real.describe()).close_time is None

    await runner.until(again, "the lease's workflow to be started again", 75)
    assert await told(runner, f"lease/{resource}: a termination that was not ours")
    assert (await runner.incident(incident["id"]))["status"] == "contained"


async def test_a_forged_look_or_an_unsealed_one_does_not_approve(runner: Runner, lab: Lab) -> None:
    await runner.post(wazuh("203.0.113.63", host="db-1", level=12))
    incident = await runner.about("203.0.113.63")
    incident = await runner.status(incident["id"], "waiting for approval")
    [ask] = [a for a in incident["asks"] if a["state"] == "open"]
    assert ask["tier"] == "T3", "a protected host needs two people"
    run = ask["run"]
    client = await runner.temporal()
    for _ in range(3):
        await client.get_workflow_handle(run).signal("look")
    execution = (await client.get_workflow_handle(run).describe()).run_id
    stranger = await runner.temporal(sealed=False)
    await stranger.get_workflow_handle(run).signal("look", "not sealed")
    # A key that looks like ours and is not in the ring: neither obeyed nor tried again for ever.
    stranger = await runner.temporal(ring=KeyRing.fresh())
    await stranger.get_workflow_handle(run).signal("look", "sealed by a stranger")
    await asyncio.sleep(2)
    assert lab.probe("web", "db")
    incident = await runner.incident(incident["id"])
    assert [a["state"] for a in incident["asks"]] == ["open"]
    # The row itself set to approved by somebody with the database: no signature, no effect.
    runner.write("UPDATE asks SET state = 'approved', decided = expires WHERE id = ?", ask["id"])
    await client.get_workflow_handle(run).signal("look")

    async def refused() -> bool:
        return any(
            s["state"] == "refused" for s in (await runner.incident(incident["id"]))["steps"]
        )

    await runner.until(refused, "the forged approval to be refused")
    assert await told(runner, f"{run}: a signal that was not ours")
    assert lab.probe("web", "db")
    steps = (await runner.incident(incident["id"]))["steps"]
    assert any("0 of 2 people needed have approved" in s["said"] for s in steps), steps
    assert (await client.get_workflow_handle(run).describe()).run_id == execution, "never stuck"


async def test_a_terminated_incident_is_started_again_and_people_are_told(
    runner: Runner, lab: Lab
) -> None:
    incident = await contained(runner, "203.0.113.64")
    client = await runner.temporal()
    handle = client.get_workflow_handle(incident["id"])
    await handle.terminate(reason="forged")

    async def again() -> bool:
        return (await handle.describe()).close_time is None

    await runner.until(again, "the incident's workflow to be started again", 60)
    assert await told(runner, f"{incident['id']}: a termination that was not ours")
    assert await told(runner, f"{incident['id']}: its workflow was gone")
    assert elements(lab, "web", "203.0.113.64")


async def test_an_incident_started_by_a_stranger_finds_nothing_to_do(
    runner: Runner, lab: Lab
) -> None:
    client = await runner.temporal()
    handle = await client.start_workflow(
        "Incident", IncidentStart(id="INC-2026-7777"), id="INC-2026-7777", task_queue="responder"
    )
    with pytest.raises(Exception):  # noqa: B017, PT011 - a workflow failure of whatever kind
        await handle.result()


async def test_a_reset_run_is_answered_from_the_store_and_does_nothing_twice(
    runner: Runner, lab: Lab
) -> None:
    await runner.post(wazuh("203.0.113.65", host="web-1", level=12))
    incident = await runner.about("203.0.113.65")
    incident = await runner.status(incident["id"], "waiting for approval")
    before = runner.rows(
        "SELECT COUNT(*) AS n FROM audit WHERE kind = 'intent' AND incident = ?", incident["id"]
    )
    client = await runner.temporal()
    run = incident["runs"][0]["id"]
    described = await client.get_workflow_handle(run).describe()
    await client.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace="responder",
            workflow_execution=WorkflowExecution(workflow_id=run, run_id=described.run_id),
            reason="forged",
            workflow_task_finish_event_id=4,
            request_id="reset-1",
        )
    )
    await asyncio.sleep(4)
    incident = await runner.incident(incident["id"])
    assert len(elements(lab, "web", "203.0.113.65")) == 1
    after = runner.rows(
        "SELECT COUNT(*) AS n FROM audit WHERE kind = 'intent' AND incident = ?", incident["id"]
    )
    assert [r["n"] for r in after] == [r["n"] for r in before]
    assert [a["state"] for a in incident["asks"]] == ["open"], "nothing is asked twice"
    await runner.api(
        "POST", f"/api/asks/{incident['asks'][0]['id']}/decisions", json={"approve": False}
    )
    await runner.until(
        lambda: _ended(runner, incident["id"]), "the reset run to end after the denial"
    )


async def _ended(runner: Runner, incident: str) -> bool:
    return all(r["closed"] for r in (await runner.incident(incident))["runs"])
