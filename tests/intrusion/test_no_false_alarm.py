"""Nothing that we do ourselves raises the alarm, whatever is killed meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from responder.crypto.keyring import KeyRing
from responder.intrusion.marks import Marks
from responder.keys import Keys
from responder.temporal import Link, connect
from tests.e2e.runner import Runner
from tests.intrusion.stage import contained, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCHEDULE = {
    "name": "rotate",
    "cron": "* * * * *",
    "category": "key_rotation",
    "what": ["nothing"],
}
_EVERY = 2  # seconds: more looks in less time than by default
_ALL_LOOKED_AT = 4 * _EVERY  # three rounds, and the reading


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner with a schedule of every minute."""
    folder = tmp_path_factory.mktemp("ours")
    async with running(folder, _EVERY, schedules=[SCHEDULE]) as made:
        yield made


async def link(runner: Runner) -> Link:
    """What serve and worker use to speak to Temporal."""
    keys = Keys(runner.settings.state)
    client = await connect(
        runner.settings.temporal, KeyRing.load(keys.payloads), Marks.load(keys.marks)
    )
    return Link(client, runner.settings.temporal.task_queue)


async def test_what_we_do_ourselves_raises_no_alarm(runner: Runner) -> None:
    first = await contained(runner, "203.0.113.10")
    ours = await link(runner)
    # A plan is drawn by a worker: a workflow of its own.
    block = {"kind": "Block", "params": {"network": "203.0.113.77/32"}}
    plan = await runner.api("POST", "/api/plans", json={"requests": [block]})
    assert plan["plan"]["changes"], plan
    # So many looks that the incident goes on in a new run.
    handle = ours.client.get_workflow_handle(first["id"])
    old = (await handle.describe()).run_id
    for _ in range(11):
        await asyncio.gather(*(ours.tell(first["id"]) for _ in range(100)))

    async def continued() -> bool:
        return (await handle.describe()).run_id != old

    await runner.until(continued, "the incident to go on in a new run", 60)
    runner.kill("worker")
    second = await contained(runner, "203.0.113.11")
    for part in ("temporal", "serve"):
        runner.kill(part)
    await runner.until(lambda: _ready(runner), "everything to be back", 90)
    third = await contained(runner, "203.0.113.12")
    await ours.renew(second["id"], "this test says so")
    body = {"resource": "block/edge/203.0.113.12"}
    await runner.api("POST", "/api/leases/end", json=body)
    for incident in (first, third):
        await runner.api("POST", f"/api/incidents/{incident['id']}/ack")
        done = {"resolution": "resolved"}
        await runner.api("POST", f"/api/incidents/{incident['id']}/close", json=done)

    async def by_plan() -> bool:
        listed = [w async for w in ours.client.list_workflows("WorkflowType = 'Scheduled'")]
        return bool(listed)

    await runner.until(by_plan, "the schedule to start something", 90)
    await asyncio.sleep(_ALL_LOOKED_AT)
    runner.kill("serve")  # and once more all is read from the beginning
    await runner.until(lambda: _ready(runner), "serve to be back", 90)
    await asyncio.sleep(_ALL_LOOKED_AT)
    kinds = {w.workflow_type async for w in ours.client.list_workflows()}
    assert {"Incident", "Lease", "Preview", "Scheduled", "AuthenticationAttack"} <= kinds
    assert _alarms(runner) == []
    # It is the watch that found nothing: it finds what a stranger does.
    stranger = await runner.temporal()
    at = time.time()
    await stranger.get_workflow_handle(second["id"]).signal("look")

    async def told() -> list[str]:
        return _alarms(runner)

    [said] = await runner.until(told, "the alarm for a stranger's signal", 90)
    late = runner.rows("SELECT at FROM audit WHERE kind = 'forged'")[0]["at"] / 1e6 - at
    print(f"a signal to a workflow that was watched before: the alarm came {late:.1f} s later")
    assert late <= 60
    assert "it has no mark of ours" in said


async def _ready(runner: Runner) -> bool:
    return (await runner.http.get("/readyz?worker=true")).status_code == 200


def _alarms(runner: Runner) -> list[str]:
    return [str(row["data"]) for row in runner.rows("SELECT data FROM audit WHERE kind = 'forged'")]
