"""Talking to Temporal: connecting, starting our three kinds of workflow, and saying `look`."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import IndexedValueType, TaskQueueType
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    ListSearchAttributesRequest,
)
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeNamespaceRequest,
    DescribeTaskQueueRequest,
    GetWorkflowExecutionHistoryReverseRequest,
    UpdateNamespaceRequest,
)
from temporalio.client import Client
from temporalio.common import Priority as TemporalPriority
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import GrpcCompression, RPCError, RPCStatusCode, TLSConfig

from responder.crypto.codec import sealed_converter
from responder.crypto.keyring import KeyRing
from responder.intrusion.marking import Marking
from responder.intrusion.marks import Marks
from responder.plan import Plan
from responder.process_settings import TemporalSettings
from responder.workflows.incident import IncidentWorkflow, search_attributes
from responder.workflows.lease import LeaseWorkflow
from responder.workflows.preview import PreviewWorkflow
from responder.workflows.wire import (
    SEARCH_ATTRIBUTES,
    IncidentStart,
    LeaseStart,
    SignedOrder,
    Standing,
)

RETENTION = timedelta(days=90)
_PREVIEW = timedelta(seconds=25)  # a person waits, and the CLI gives up after 30 s
ATTRIBUTES = {
    name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}")
    for name, kind in SEARCH_ATTRIBUTES.items()
}


async def connect(
    settings: TemporalSettings, ring: KeyRing, marks: Marks | None = None, *, lazy: bool = False
) -> Client:
    """
    A client whose payloads are sealed; *lazy* does not need Temporal to be there yet.

    With *marks*, whatever it does to a workflow is marked as ours; without, it raises the alarm.
    """
    key = settings.api_key.get_secret_value() if settings.api_key else None
    tls: TLSConfig | bool = key is not None
    if settings.tls_ca or settings.tls_cert:
        tls = TLSConfig(
            server_root_ca_cert=settings.tls_ca.read_bytes() if settings.tls_ca else None,
            client_cert=settings.tls_cert.read_bytes() if settings.tls_cert else None,
            client_private_key=settings.tls_key.read_bytes() if settings.tls_key else None,
            domain=settings.tls_name,
        )
    return await Client.connect(
        settings.target,
        namespace=settings.namespace,
        data_converter=sealed_converter(ring),
        tls=tls,
        api_key=key,
        lazy=lazy,
        interceptors=[] if marks is None else [Marking(marks)],
        # On one machine compressing costs time and saves none.
        grpc_compression=GrpcCompression.GZIP if settings.address else GrpcCompression.NONE,
    )


async def prepare(client: Client, *, retention: bool) -> None:
    """Register our search attributes, and keep closed workflows; safe to do at every start."""
    service = client.operator_service
    listed = await service.list_search_attributes(
        ListSearchAttributesRequest(namespace=client.namespace)
    )
    missing = {k: v for k, v in ATTRIBUTES.items() if k not in listed.custom_attributes}
    if missing:
        await service.add_search_attributes(
            AddSearchAttributesRequest(namespace=client.namespace, search_attributes=missing)
        )
    if retention:
        request = UpdateNamespaceRequest(namespace=client.namespace, config=NamespaceConfig())
        request.config.workflow_execution_retention_ttl.FromTimedelta(RETENTION)
        await client.workflow_service.update_namespace(request)


class Link:
    """Our side of Temporal: what verbs, the drain and the reconciler ask of it."""

    def __init__(self, client: Client, task_queue: str) -> None:
        self.client = client
        self._queue = task_queue

    async def start_incident(self, incident: str, standing: Standing | None, summary: str) -> None:
        """Start the workflow of an incident; one that runs already is left as it is."""
        await self.client.start_workflow(
            IncidentWorkflow.run,
            IncidentStart(id=incident, standing=standing),
            id=incident,
            task_queue=self._queue,
            static_summary=summary[:200],
            search_attributes=search_attributes(standing) if standing else None,
            priority=TemporalPriority(priority_key=standing.priority if standing else 3),
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )

    async def start_or_tell(self, incident: str) -> None:
        """Say `look` to an incident's workflow; if it is not there it is started, and looks."""
        await self.client.start_workflow(
            IncidentWorkflow.run,
            IncidentStart(id=incident),
            id=incident,
            task_queue=self._queue,
            start_signal="look",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )

    async def end(self, workflow_id: str, why: str) -> None:
        """End a workflow that is of no more use; whatever it was about is in the store."""
        with suppress(RPCError):
            await self.client.get_workflow_handle(workflow_id).terminate(reason=f"responder: {why}")

    async def renew(self, incident: str, why: str) -> None:
        """End an incident's workflow that is wrong about its runs, and start another."""
        await self.end(incident, why)
        await self.start_or_tell(incident)

    async def started_by(self, workflow_id: str, run_id: str) -> str | None:
        """The parent that the server recorded for this run; None if it has none or is not there."""
        try:
            described = await self.client.get_workflow_handle(workflow_id, run_id=run_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return None
            raise
        return described.parent_id

    async def tell(self, workflow_id: str) -> None:
        """Say `look`; whoever is not there is the reconciler's to notice."""
        try:
            await self.client.get_workflow_handle(workflow_id).signal("look")
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise

    async def lease(self, resource: str, until: datetime | None, *, new: bool) -> None:
        """See that a `Lease` is running for *resource*; one that ran already is made to look."""
        workflow_id = f"lease/{resource}"
        start = LeaseStart(resource=resource, until=until)
        if new:
            try:
                await self.client.start_workflow(
                    LeaseWorkflow.run,
                    start,
                    id=workflow_id,
                    task_queue=self._queue,
                    static_summary=f"holds {resource}"[:200],
                    id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                    id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
                )
            except WorkflowAlreadyStartedError:
                pass
            else:
                return
        await self.client.start_workflow(
            LeaseWorkflow.run,
            start,
            id=workflow_id,
            task_queue=self._queue,
            static_summary=f"holds {resource}"[:200],
            start_signal="look",
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        )

    async def preview(self, order: SignedOrder) -> Plan:
        """What a worker finds that an order would change; nobody keeps it."""
        plan: Plan = await self.client.execute_workflow(
            PreviewWorkflow.run,
            order,
            id=f"preview/{order.signature[:32]}",
            task_queue=self._queue,
            execution_timeout=_PREVIEW,
        )
        return plan

    async def running(self, kind: str) -> set[str]:
        """The ids of all running workflows of one type."""
        query = f"WorkflowType = '{kind}' AND ExecutionStatus = 'Running'"
        return {one.id async for one in self.client.list_workflows(query)}

    async def is_running(self, workflow_id: str) -> bool:
        """Whether a workflow of this id runs, by the server's own state and not by its list."""
        try:
            described = await self.client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return False
            raise
        return described.close_time is None

    async def tries(self, workflow_id: str) -> tuple[int, str]:
        """How often the step that a workflow is at was tried, and why the last one failed; 0 if it waits."""
        try:
            described = await self.client.get_workflow_handle(workflow_id).describe()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return 0, ""
            raise
        tries = described.raw_description.pending_workflow_task.attempt
        if tries <= 1:
            return tries, ""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self.client.namespace,
            execution=WorkflowExecution(workflow_id=workflow_id, run_id=described.run_id),
            maximum_page_size=10,
        )
        answer = await self.client.workflow_service.get_workflow_execution_history_reverse(request)
        for event in answer.history.events:
            if event.HasField("workflow_task_failed_event_attributes"):
                failed = event.workflow_task_failed_event_attributes.failure
                return tries, str(await self.client.data_converter.decode_failure(failed))
        return tries, ""

    async def has_worker(self) -> bool:
        """Whether a worker has asked for work within the last minute or so."""
        request = DescribeTaskQueueRequest(
            namespace=self.client.namespace,
            task_queue=TaskQueue(name=self._queue),
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        return bool((await self.client.workflow_service.describe_task_queue(request)).pollers)

    async def beacon(self) -> str | None:
        """The mark that the reconciler left in Temporal's database."""
        request = DescribeNamespaceRequest(namespace=self.client.namespace)
        answer = await self.client.workflow_service.describe_namespace(request)
        return answer.namespace_info.data.get("responder.beacon")

    async def set_beacon(self, mark: str) -> None:
        """Leave a mark in Temporal's database, to notice when an older copy has taken its place."""
        request = UpdateNamespaceRequest(namespace=self.client.namespace)
        request.update_info.data["responder.beacon"] = mark
        await self.client.workflow_service.update_namespace(request)


async def until_there(client: Client, seconds: float) -> bool:
    """Wait until Temporal answers; False if it does not in time."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    request = DescribeNamespaceRequest(namespace=client.namespace)
                    await client.workflow_service.describe_namespace(request)
                except (RPCError, RuntimeError):
                    await asyncio.sleep(0.1)
                else:
                    return True
    except TimeoutError:
        return False
