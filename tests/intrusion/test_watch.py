"""What a round of the watch costs, and what a stranger cannot do to it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import pytest
import pytest_asyncio
from sqlalchemy import func, select
from temporalio import workflow
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.common import RawValue
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from responder import Incident, Playbook
from responder.embedded import binary
from responder.intrusion import watch as watching
from responder.intrusion.alarms import MOST_TOLD, Alarms
from responder.intrusion.histories import Finding, Trace
from responder.intrusion.marking import Marking
from responder.intrusion.marks import Marks
from responder.intrusion.watch import Watch
from responder.store import Store
from responder.store.tables import audit, messages
from responder.workflows.lease import LeaseWorkflow
from responder.workflows.refusing import RefusesUpdates
from responder.workflows.wire import LeaseStart
from tests.databases import on_both

MARKS = Marks(bytes(range(32)), datetime(2026, 3, 4, tzinfo=UTC))
OPEN = 200


@workflow.defn
class OwnHandler(Playbook, answers="authentication_attack"):
    """One that takes any update."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        """Nothing."""

    @workflow.update(dynamic=True)
    def any_update(self, name: str, args: Sequence[RawValue]) -> str:
        return "mine"


@workflow.defn
class NoHandler(Playbook, answers="authentication_attack"):
    """One that takes none."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        """Nothing."""


@pytest_asyncio.fixture
async def stranger() -> AsyncIterator[Client]:
    """A client without marks, of a Temporal of this test alone."""
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=str(binary()), dev_server_log_level="error"
    ) as environment:
        yield environment.client


def ours(client: Client) -> Client:
    """The same Temporal, by a client that marks."""
    config = client.config()
    config["interceptors"] = [Marking(MARKS)]
    return Client(**config)


@pytest.mark.parametrize("database", ["sqlite"])
async def test_a_round_over_many_idle_incidents_reads_no_history(
    stranger: Client, store: Store
) -> None:
    client = ours(stranger)
    await asyncio.gather(
        *(
            client.start_workflow("Incident", id=f"INC-{n}", task_queue="nobody")
            for n in range(OPEN)
        )
    )
    watch = Watch(store, client, MARKS, ["AuthenticationAttack"])

    async def all_seen() -> bool:
        assert await watch.once() == []
        return watch.calls["history"] == OPEN

    while not await all_seen():  # the list of a server is behind by moments
        await asyncio.sleep(0.2)
    for _ in range(watching.ROUNDS):
        watch.calls.clear()
        began = time.perf_counter()
        assert await watch.once() == []
        took = time.perf_counter() - began
        print(f"a round over {OPEN} idle incidents: {dict(watch.calls)} calls, {took:.2f} s")
        assert watch.calls == {"list": 1, "describe": -(-OPEN // watching.ROUNDS)}
    await stranger.get_workflow_handle("INC-7").signal("look")
    watch.calls.clear()
    told = [said for _ in range(watching.ROUNDS) for said in await watch.once()]
    assert len(told) == 1, "in three rounds every open run was looked at"
    assert "INC-7: signal 'look'" in told[0]
    assert watch.calls["history"] == 1


@pytest.mark.parametrize("database", ["sqlite"])
async def test_a_mark_of_ours_does_not_start_a_workflow_twice(
    stranger: Client, store: Store
) -> None:
    client = ours(stranger)
    handle = await client.start_workflow("Incident", id="INC-1", task_queue="nobody")
    watch = Watch(store, client, MARKS, [])
    await _until(watch, 1)
    begun = (await handle.fetch_history()).events[0].workflow_execution_started_event_attributes
    await handle.terminate("mine")
    request = StartWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_id="INC-1",
        workflow_type=begun.workflow_type,
        task_queue=begun.task_queue,
        header=begun.header,
        request_id="again",
    )
    await stranger.workflow_service.start_workflow_execution(request)
    told = await _until(watch, 3)
    assert len(told) == 1, told
    assert "its mark was used before" in told[0]


@pytest.mark.parametrize("database", ["sqlite"])
async def test_what_is_older_than_the_key_raises_no_alarm(stranger: Client, store: Store) -> None:
    before = await ours(stranger).start_workflow("Incident", id="INC-1", task_queue="nobody")
    await stranger.start_workflow("Incident", id="INC-2", task_queue="nobody")
    await asyncio.sleep(0.1)
    anew = Marks(bytes(reversed(range(32))), datetime.now(UTC))
    watch = Watch(store, stranger, anew, [])
    assert await _until(watch, 2) == []
    await before.signal("look")
    told = await _until(watch, 3)
    assert len(told) == 1, "what comes since needs a mark by the new key"


async def _until(watch: Watch, histories: int) -> list[str]:
    """Rounds until so many histories were read; what was told."""
    told: list[str] = []
    give_up = time.monotonic() + 30
    while watch.calls["history"] < histories:
        assert time.monotonic() < give_up, watch.calls
        told += await watch.once()
        await asyncio.sleep(0.2)
    return told


async def test_a_storm_of_updates_does_not_fill_a_history(stranger: Client) -> None:
    start = LeaseStart(resource="block/edge/198.51.100.1", until=None)
    config = stranger.config()
    config["data_converter"] = pydantic_data_converter
    client = Client(**config)
    async with Worker(client, task_queue="q", workflows=[LeaseWorkflow]):
        handle = await client.start_workflow("Lease", start, id="lease/1", task_queue="q")
        said = await handle.execute_update("end", "now")
        assert said == "end: this workflow takes no such update; nothing was done"
        refused = 0
        for _ in range(40):
            try:
                await handle.execute_update("end", "now")
            except WorkflowUpdateFailedError:
                refused += 1
        history = await handle.fetch_history()
    accepted = [
        e for e in history.events if e.HasField("workflow_execution_update_accepted_event_attributes")
    ]  # fmt: skip
    assert (len(accepted), refused) == (20, 21)


def test_an_authors_own_handler_of_any_update_takes_the_place_of_ours() -> None:
    def dynamic(made: type) -> str:
        definition = workflow._Definition.must_from_class(made)
        return str(definition.updates[None].fn.__qualname__)

    assert dynamic(OwnHandler).endswith("OwnHandler.any_update")
    assert dynamic(NoHandler) == f"{RefusesUpdates.__name__}.refuse_update"


@on_both
async def test_ten_thousand_strangers_do_not_bury_the_first_alarms(store: Store) -> None:
    alarms = Alarms(store)
    for number in range(MOST_TOLD + 10):
        trace = Trace(f"anything-{number}", f"run-{number}")
        finding = Finding("start", 1, store.now(), "it was started by 'x'; it has no mark of ours")
        for _ in range(2):  # again after a restart: said once
            await alarms.raise_for(trace, [finding])
    async with store.reading() as tx:
        written = await tx.execute(select(func.count()).select_from(audit))
        query = select(messages.c.subject).order_by(messages.c.id)
        told = (await tx.execute(query)).scalars().all()
    assert written.scalar_one() == MOST_TOLD + 10
    assert len(told) == MOST_TOLD + 1
    assert "the rest is in the audit only" in told[-1]
