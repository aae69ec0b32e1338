"""Whatever a stranger does to a workflow with Temporal's own tools is noticed within a minute."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest
import pytest_asyncio
from temporalio import workflow
from temporalio.api.common.v1 import Header, WorkflowExecution
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.worker import Worker

from responder.embedded import binary
from responder.incident import Incident, Indicators, Priority
from responder.intrusion.marks import HEADER
from responder.workflows.wire import IncidentStart, LeaseStart
from tests.e2e.runner import Runner
from tests.intrusion.stage import contained, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

WITHIN = 60.0  # seconds from the deed to the alarm
STRANGER = "198.51.100.99"


@workflow.defn(sandboxed=False)
class Foster:
    """A stranger's own workflow, which gives its child the name of a playbook."""

    @workflow.run
    async def run(self, child: str) -> None:
        await workflow.start_child_workflow(
            "WaitsToBeTold", forged(), id=child, task_queue="responder",
            parent_close_policy=workflow.ParentClosePolicy.ABANDON,
        )  # fmt: skip


def forged() -> Incident:
    """Facts that no alert ever said."""
    return Incident(
        id="INC-2026-9999",
        title="forged",
        priority=Priority.P1,
        category="authentication_attack",
        subject=STRANGER,
        began=datetime.now(UTC),
        opened=datetime.now(UTC),
        indicators=Indicators.model_validate({"networks": [f"{STRANGER}/32"]}),
    )


@dataclass
class Deed:
    """What was done to which workflow, and when."""

    workflow: str
    what: str
    at: float


class Stranger:
    """Somebody with the address of Temporal and the key of the payloads."""

    def __init__(self, runner: Runner, client: Client) -> None:
        self._runner = runner
        self.client = client
        self.deeds: dict[str, Deed] = {}

    def did(self, name: str, workflow_id: str, what: str) -> None:
        """Note it down."""
        self.deeds[name] = Deed(workflow_id, what, time.time())

    async def command(self, *words: str, status: int = 0) -> str:
        """Temporal's own command line."""
        address = self._runner.settings.temporal.target
        process = await asyncio.create_subprocess_exec(
            str(binary()), "workflow", *words, "--address", address, "--namespace", "responder",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        out, _ = await process.communicate()
        assert process.returncode == status, out.decode()
        return out.decode()

    async def marks(self, workflow_id: str) -> list[Header]:
        """The headers of everything that was sent to a workflow so far, for whoever reads along."""
        history = await self.client.get_workflow_handle(workflow_id).fetch_history()
        headers = [
            header
            for event in history.events
            for header in (
                event.workflow_execution_started_event_attributes.header,
                event.workflow_execution_signaled_event_attributes.header,
            )
        ]
        return [header for header in headers if HEADER in header.fields]

    async def replay(self, workflow_id: str, header: Header) -> None:
        """A signal with a mark that was ours."""
        await self.client.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace="responder",
                workflow_execution=WorkflowExecution(workflow_id=workflow_id),
                signal_name="look",
                header=header,
            )
        )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """A runner whose runs stay open."""
    playbooks = ["tests.intrusion.waiting_playbook:PLAYBOOKS"]
    async with running(tmp_path_factory.mktemp("forging"), playbooks=playbooks) as made:
        yield made


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deeds(runner: Runner) -> dict[str, Deed]:
    """Everything that a stranger can do, done."""
    made = [await contained(runner, f"203.0.113.{n}") for n in (1, 2, 3)]
    one, two, three = (incident["id"] for incident in made)
    run1, run2, run3 = (incident["runs"][0]["id"] for incident in made)
    lease1, lease2, lease3 = (f"lease/block/edge/203.0.113.{n}" for n in (1, 2, 3))
    client = await runner.temporal()
    stranger = Stranger(runner, client)
    did = stranger.did

    did("a signal by the command line", one, "signal")
    await stranger.command("signal", "--workflow-id", one, "--name", "look")
    did("a signal of another name", three, "signal")
    await stranger.command("signal", "--workflow-id", three, "--name", "approve", "--input", "1")
    did("a signal sealed with our payload key", run1, "signal")
    await client.get_workflow_handle(run1).signal("look", "approved by ana")
    did("a signal with a mark that was used before", two, "signal")
    await stranger.replay(two, (await stranger.marks(two))[-1])
    did("a signal with the mark of another workflow", run2, "signal")
    await stranger.replay(run2, (await stranger.marks(two))[-1])
    did("a signal with the mark of a start", lease1, "signal")
    await stranger.replay(lease1, (await stranger.marks(lease1))[0])

    did("an update by the command line", three, "update")
    words = ("--workflow-id", three, "--name", "approve", "--input", "1")
    said = await stranger.command("update", "execute", *words, status=1)
    assert "binary/encrypted" in said, "the answer is sealed, as everything is"
    did("an update sealed with our payload key", lease2, "update")
    answer = await client.get_workflow_handle(lease2).execute_update("extend", 300)
    assert answer == "extend: this workflow takes no such update; nothing was done"
    did("an author's update, sent by a stranger", run3, "update")
    assert await client.get_workflow_handle(run3).execute_update("enough") == "it ends"

    did("a reset", run2, "reset")
    await stranger.command(
        "reset", "--workflow-id", run2, "--event-id", "4", "--reason", "forged", "--yes"
    )
    did("a cancellation", run1, "changed")
    await stranger.command("cancel", "--workflow-id", run1)
    did("a termination of an incident", two, "termination")
    await stranger.command("terminate", "--workflow-id", two, "--reason", "responder: forged")
    did("a termination of a lease", lease3, "termination")
    await stranger.command("terminate", "--workflow-id", lease3, "--reason", "forged")
    did("a termination of a run by its reset", run2, "termination")

    did("a start of an incident", "INC-2026-7777", "start")
    start = IncidentStart(id="INC-2026-7777")
    await client.start_workflow("Incident", start, id="INC-2026-7777", task_queue="responder")
    did("a start of a playbook", "anything", "start")
    await client.start_workflow("WaitsToBeTold", forged(), id="anything", task_queue="responder")
    did("a start of a lease", f"lease/block/edge/{STRANGER}", "start")
    name = f"block/edge/{STRANGER}"
    lease = LeaseStart(resource=name, until=datetime.now(UTC))
    await client.start_workflow("Lease", lease, id=f"lease/{name}", task_queue="responder")
    did("a start by a workflow of a stranger", "a child", "start")
    async with Worker(client, task_queue="strange", workflows=[Foster]):
        await client.execute_workflow(
            Foster.run, "a child", id=one + "/foster", task_queue="strange"
        )
    return stranger.deeds


NAMES = (
    "a signal by the command line", "a signal of another name",
    "a signal sealed with our payload key", "a signal with a mark that was used before",
    "a signal with the mark of another workflow", "a signal with the mark of a start",
    "an update by the command line", "an update sealed with our payload key",
    "an author's update, sent by a stranger", "a reset", "a cancellation",
    "a termination of an incident", "a termination of a lease",
    "a termination of a run by its reset", "a start of an incident", "a start of a playbook",
    "a start of a lease", "a start by a workflow of a stranger",
)  # fmt: skip


def alarms(runner: Runner) -> list[dict[str, Any]]:
    """What the watch has told; what a verb refused is told by the verb."""
    query = "SELECT at, subject, incident, data FROM audit WHERE kind = 'forged' AND actor = ?"
    rows = runner.rows(query, "watch of temporal")
    return [dict(row) | {"data": json.loads(row["data"])} for row in rows]


@pytest.mark.parametrize("name", NAMES)
async def test_it_is_noticed_within_a_minute(
    runner: Runner, deeds: dict[str, Deed], name: str
) -> None:
    deed = deeds[name]

    async def told() -> dict[str, Any] | None:
        for one in alarms(runner):
            if (one["subject"], one["data"]["what"]) == (deed.workflow, deed.what):
                return one
        return None

    alarm = await runner.until(told, f"the alarm for {name}", 150)
    late = alarm["at"] / 1e6 - deed.at
    print(f"{name}: the alarm was raised {late:.1f} s later: {alarm['data']['said']}")
    assert 0 <= late <= WITHIN
    key = "forged/{run}/{what}/{first}".format(**alarm["data"])
    [message] = runner.rows("SELECT audience, loud FROM messages WHERE key = ?", key)
    assert (message["audience"], bool(message["loud"])) == ("security", True)


async def test_nothing_else_raises_the_alarm_and_what_was_ended_goes_on(
    runner: Runner, deeds: dict[str, Deed]
) -> None:
    client = await runner.temporal()
    two = deeds["a termination of an incident"].workflow

    async def again() -> bool:
        return (await client.get_workflow_handle(two).describe()).close_time is None

    await runner.until(again, "the incident to be started again", 90)
    await asyncio.sleep(35)  # every open run is looked at once more
    expected = {(deed.workflow, deed.what) for deed in deeds.values()}
    found = [(one["subject"], one["data"]["what"], one["data"]["said"]) for one in alarms(runner)]
    assert {(subject, what) for subject, what, _ in found} == expected, found
    held = runner.rows("SELECT until FROM holds WHERE ended IS NULL AND lifted IS NULL")
    assert len(held) == 3, "nothing was undone"
    assert not runner.rows("SELECT * FROM holds WHERE resource LIKE ?", f"%{STRANGER}%")


async def test_a_restart_says_nothing_twice_and_finds_what_came_meanwhile(
    runner: Runner, deeds: dict[str, Deed]
) -> None:
    before = alarms(runner)
    one = deeds["a signal by the command line"].workflow
    client = await runner.temporal()
    runner.kill("serve")
    at = time.time()
    await client.get_workflow_handle(one).signal("look")

    async def more() -> list[dict[str, Any]]:
        return alarms(runner)[len(before) :]

    [alarm] = await runner.until(more, "the alarm for what came meanwhile", 150)
    assert (alarm["subject"], alarm["data"]["what"]) == (one, "signal")
    late = alarm["at"] / 1e6 - at
    print(f"a signal while serve was down: the alarm was raised {late:.1f} s later")
    assert late <= WITHIN
    await asyncio.sleep(15)
    assert len(alarms(runner)) == len(before) + 1
