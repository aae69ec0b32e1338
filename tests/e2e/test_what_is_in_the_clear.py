"""What Temporal's database, the logs and the metrics may know: ids and targets, nothing else."""

import json

import pytest

from tests.e2e.runner import Runner, wazuh
from tests.lab.network import Lab

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANARY = "hunter2-CANARY-7f3a"
MOST_EVENTS = 40


async def test_no_word_of_an_alert_is_in_the_clear_anywhere_outside_the_store(
    runner: Runner, lab: Lab
) -> None:
    alert = wazuh("203.0.113.70", host="web-1", level=12)
    alert["rule"]["description"] = f"password {CANARY} tried"
    alert["full_log"] = f"Failed password {CANARY}"
    alert["data"]["note"] = CANARY
    await runner.post(alert)
    incident = await runner.about("203.0.113.70")
    assert CANARY in incident["title"], "the store itself does know"
    incident = await runner.status(incident["id"], "waiting for approval")
    [ask] = [a for a in incident["asks"] if a["state"] == "open"]
    reason = {"approve": False, "reason": f"no, {CANARY}"}
    await runner.api("POST", f"/api/asks/{ask['id']}/decisions", json=reason)

    async def ended() -> bool:
        return all(r["closed"] for r in (await runner.incident(incident["id"]))["runs"])

    await runner.until(ended, "the run to end")
    client = await runner.temporal()
    described = await client.get_workflow_handle(incident["id"]).describe()
    assert (await described.static_summary()) == "P2 authentication attack: 203.0.113.70"
    body = {"resolution": "resolved"}
    await runner.api("POST", f"/api/incidents/{incident['id']}/close", json=body)
    metrics = (await runner.http.get("/metrics")).text
    assert CANARY not in metrics
    assert "203.0.113.70" not in metrics, "no target is ever a label"
    assert 'responder_webhook_requests_total{outcome="accepted",source="wazuh"}' in metrics
    files = [f for name in ("temporal", "logs") for f in (runner.settings.state / name).iterdir()]
    found = [file.name for file in files if CANARY.encode() in file.read_bytes()]
    assert not found, f"the canary is in the clear in {found}"
    deliveries = runner.rows("SELECT body FROM deliveries")
    assert all(CANARY.encode() not in row["body"] for row in deliveries), (
        "deliveries are kept sealed"
    )


async def test_an_incident_with_one_block_costs_few_events(runner: Runner, lab: Lab) -> None:
    await runner.post(wazuh("203.0.113.71", host="elsewhere", level=7))
    incident = await runner.about("203.0.113.71")
    await runner.status(incident["id"], "contained")

    async def ended() -> bool:
        return all(r["closed"] for r in (await runner.incident(incident["id"]))["runs"])

    await runner.until(ended, "the run to end")
    client = await runner.temporal()
    kinds = {}
    for name in (incident["id"], incident["runs"][0]["id"]):
        history = await client.get_workflow_handle(name).fetch_history()
        kinds[name] = [
            json.loads(history.to_json())["events"][i]["eventType"]
            for i in range(len(history.events))
        ]
    total = sum(map(len, kinds.values()))
    print(f"{total} events: " + ", ".join(f"{name} {len(found)}" for name, found in kinds.items()))
    assert total <= MOST_EVENTS, kinds


async def test_temporals_list_finds_an_incident_by_what_it_is(runner: Runner, lab: Lab) -> None:
    await runner.post(wazuh("203.0.113.72", host="elsewhere", level=7))
    incident = await runner.about("203.0.113.72")
    await runner.status(incident["id"], "contained")
    client = await runner.temporal()
    query = (
        "IncidentPriority = 'P3' AND IncidentCategory = 'authentication_attack' AND "
        "IncidentStatus = 'contained' AND IncidentSubject = '203.0.113.72' AND SlaBreached = false"
    )

    async def listed() -> list[str]:
        return [one.id async for one in client.list_workflows(query)]

    assert await runner.until(listed, "Temporal's list to show it") == [incident["id"]]
    metadata = await client.get_workflow_handle(incident["id"]).query(
        "__temporal_workflow_metadata"
    )
    board = metadata["currentDetails"] if isinstance(metadata, dict) else metadata.current_details
    for words in (
        "**contained**",
        "- acknowledge by ",
        "block/fra1/203.0.113.72",
        "responder incidents ack",
    ):
        assert words in board
