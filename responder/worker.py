"""The worker: carries out, leases and undoes. It holds the approval service's public key only."""

import asyncio
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta

import structlog
from temporalio.client import Client
from temporalio.worker import Interceptor, PollerBehaviorAutoscaling, Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from responder.approval.decision import Judgement
from responder.catalogue import load_kinds, load_provision
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Verifier
from responder.errors import StateError
from responder.intake.scheduled import Occasions
from responder.intrusion.marks import Marks
from responder.keys import Keys
from responder.rotation import Schedule
from responder.settings import Settings
from responder.standing.auditor import Watch
from responder.store import Store
from responder.store.schema import check_schema
from responder.surroundings import surroundings
from responder.temporal import Link, connect, until_there
from responder.verbs.context import Context
from responder.verbs.doing import Doing
from responder.verbs.guarding import Guard
from responder.verbs.lifting import Lifting
from responder.verbs.paging import Paging
from responder.verbs.previewing import Previewing
from responder.verbs.reporting import Reporting
from responder.verbs.sweeping import Sweep
from responder.verbs.warrants import Warrants
from responder.workflows.incident import IncidentWorkflow
from responder.workflows.lease import LeaseWorkflow
from responder.workflows.preview import PreviewWorkflow
from responder.workflows.scheduled import ScheduledWorkflow

log = structlog.get_logger(__name__)

# A worker that died keeps its cached workflows for this long: Temporal's default is 10 s.
_STICKY = timedelta(seconds=1)
_CACHED = 2_000
# In a storm work waits its turn (P1 first: Temporal's priority keys) instead of everything being
# begun and nothing ended: with the SDK's 100 of each, workflow tasks took over 5 s and were begun
# again. Activities have room for some that wait for a silent firewall.
_ACTIVITIES = 32
_LOCAL_ACTIVITIES = 8
_WORKFLOW_TASKS = 8


def make_context(settings: Settings, store: Store, client: Client) -> Context:
    """The parts of the verbs, put together from the settings."""
    kinds = load_kinds(settings)
    policy = settings.policy(surroundings(settings))
    keys = Keys(settings.state)
    verifier = Verifier.at(keys.public)
    return Context(
        store=store,
        kinds=kinds,
        provision=load_provision(settings, store),
        policy=lambda: policy,
        judgement=Judgement(verifier, settings.directory(), settings.approvals.break_glass),
        verifier=verifier,
        temporal=Link(client, settings.temporal.task_queue),
        warrants=Warrants.load(keys.warrants),
        worker=f"{socket.gethostname()}/{os.getpid()}",
        approvals=settings.approvals,
    )


def make_worker(
    context: Context,
    client: Client,
    task_queue: str,
    schedules: tuple[Schedule, ...] = (),
    interceptors: Sequence[Interceptor] = (),
) -> Worker:
    """Temporal's worker with every workflow and verb."""
    occasions = Occasions(context.store, context.kinds, context.policy(), schedules)
    doing, lifting, reporting = Doing(context), Lifting(context), Reporting(context)
    previewing, paging = Previewing(context), Paging(context)
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "pydantic", "pydantic_core", "rfc8785", "responder", "activities"
    )
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[
            IncidentWorkflow,
            LeaseWorkflow,
            PreviewWorkflow,
            ScheduledWorkflow,
            *context.kinds.playbooks.values(),
        ],
        activities=[
            doing.do,
            lifting.lift,
            reporting.look_up,
            reporting.announce,
            reporting.contained,
            reporting.finish,
            reporting.stand,
            previewing.preview,
            occasions.open_scheduled,
            paging.page,
        ],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        interceptors=interceptors,
        max_cached_workflows=_CACHED,
        max_concurrent_activities=_ACTIVITIES,
        max_concurrent_local_activities=_LOCAL_ACTIVITIES,
        max_concurrent_workflow_tasks=_WORKFLOW_TASKS,
        sticky_queue_schedule_to_start_timeout=_STICKY,
        graceful_shutdown_timeout=timedelta(seconds=5),
        workflow_task_poller_behavior=PollerBehaviorAutoscaling(),
        activity_task_poller_behavior=PollerBehaviorAutoscaling(),
        max_heartbeat_throttle_interval=timedelta(seconds=1),
        default_heartbeat_throttle_interval=timedelta(seconds=1),
    )


async def run_worker(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then finish what is in hand."""
    keys = Keys(settings.state)
    store = Store(settings.database)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if not await _until(stop, "store", lambda: _has_schema(store)):
        return
    ring, marks = KeyRing.load(keys.payloads), Marks.load(keys.marks)
    lazy = await connect(settings.temporal, ring, marks, lazy=True)
    context = make_context(settings, store, lazy)
    # The sweep needs no Temporal: what is held is watched, and undone in time, without it.
    sweep = asyncio.create_task(Sweep(context).run())
    guard = asyncio.create_task(Guard(context).run())
    watch = asyncio.create_task(Watch(store).run())
    try:
        if await _until(stop, "temporal", lambda: until_there(lazy, 5)):
            client = await connect(settings.temporal, ring, marks)
            planned = settings.planned
            async with make_worker(context, client, settings.temporal.task_queue, planned):
                log.info("worker_ready", worker=context.worker, queue=settings.temporal.task_queue)
                await stop.wait()
    finally:
        for task in (sweep, guard, watch):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await context.provision.close()
        await store.close()
    log.info("worker_stopped", worker=context.worker)


async def _until(stop: asyncio.Event, what: str, there: Callable[[], Awaitable[bool]]) -> bool:
    """Wait for something this worker needs; False if it was told to stop meanwhile."""
    said = False
    while not stop.is_set():
        if await there():
            return True
        if not said:
            log.warning("worker_waits", waits_for=what)
        said = True
        await asyncio.sleep(0.1)
    return False


async def _has_schema(store: Store) -> bool:
    """Whether `serve` has made the tables; a newer version's tables are an error at once."""
    try:
        await check_schema(store)
    except StateError as error:
        if "no tables yet" in str(error) or "cannot be opened" in str(error):
            return False
        raise
    return True
