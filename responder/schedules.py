"""The settings' schedules as Temporal Schedules: made, changed and removed when `serve` starts."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.workflowservice.v1 import ListScheduleMatchingTimesRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
    ScheduleState,
    ScheduleUpdate,
    ScheduleUpdateInput,
)

from responder import rotation
from responder.intake.scheduled import CATCH_UP
from responder.workflows.scheduled import Occasion, ScheduledWorkflow

log = structlog.get_logger(__name__)

PREFIX = "responder/"
_TIMEOUT = timedelta(minutes=10)


async def bring_up_to_date(
    client: Client, task_queue: str, wanted: Sequence[rotation.Schedule]
) -> None:
    """Have Temporal keep exactly *wanted* of ours; what a person paused stays paused."""
    there = [one.id async for one in await client.list_schedules() if one.id.startswith(PREFIX)]
    named = {f"{PREFIX}{one.name}": one for one in wanted}
    for gone in set(there) - set(named):
        await client.get_schedule_handle(gone).delete()
        log.info("schedule_removed", schedule=gone)
    for schedule_id, one in named.items():
        made = _as_temporal_has_it(one, task_queue)
        try:
            await client.create_schedule(schedule_id, made)
            log.info("schedule_made", schedule=schedule_id, cron=one.cron, zone=one.time_zone)
        except ScheduleAlreadyRunningError:

            def changed(found: ScheduleUpdateInput, made: Schedule = made) -> ScheduleUpdate:
                made.state = found.description.schedule.state
                return ScheduleUpdate(schedule=made)

            await client.get_schedule_handle(schedule_id).update(changed)


async def next_times(client: Client, name: str) -> tuple[datetime, ...]:
    """When Temporal will next start it, at most ten times; raises `RPCError` if it has no such schedule."""
    described = await client.get_schedule_handle(f"{PREFIX}{name}").describe()
    if described.schedule.state.paused:
        return ()
    return tuple(described.info.next_action_times)


async def times_between(
    client: Client, name: str, start: datetime, end: datetime
) -> tuple[datetime, ...]:
    """When Temporal would start it between two moments: how it reads the expression."""
    request = ListScheduleMatchingTimesRequest(
        namespace=client.namespace, schedule_id=f"{PREFIX}{name}"
    )
    request.start_time.CopyFrom(_stamp(start))
    request.end_time.CopyFrom(_stamp(end))
    answer = await client.workflow_service.list_schedule_matching_times(request)
    return tuple(one.ToDatetime(tzinfo=UTC) for one in answer.start_time)


def _stamp(moment: datetime) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(moment)
    return stamp


def _as_temporal_has_it(one: rotation.Schedule, task_queue: str) -> Schedule:
    action = ScheduleActionStartWorkflow(
        ScheduledWorkflow.run,
        Occasion(schedule=one.name),
        id=f"scheduled/{one.name}",
        task_queue=task_queue,
        execution_timeout=_TIMEOUT,
        static_summary=f"{one.category.replace('_', ' ')}: {', '.join(one.what)}"[:200],
    )
    return Schedule(
        action=action,
        spec=ScheduleSpec(cron_expressions=[one.cron], time_zone_name=one.time_zone),
        policy=SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP),
        state=ScheduleState(note="From the settings; changed there."),
    )
