"""What each playbook costs in Temporal: events and bytes of an incident, and how soon it first acts."""

import asyncio
import sys
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any, Final, NamedTuple

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.testing import WorkflowEnvironment

from activities import ACTIONS, LOOKUPS
from playbooks import PLAYBOOKS
from responder.authoring.examples import example_of
from responder.crypto.codec import sealed_converter
from responder.crypto.keyring import KeyRing
from responder.embedded import Embedded
from responder.incident import Alert
from responder.policy.judge import Policy
from responder.process_settings import TemporalSettings
from responder.rehearsal.attending import attend
from responder.rehearsal.rehearsal import Rehearsal, rehearsing, skipping
from responder.rehearsal.wish import Json, wish_of
from responder.temporal import connect
from responder.triage import Assessment, Triage, assess
from responder.verbs.context import Kinds
from responder.workflows.playbook import Playbook
from tests.bench.floor import QUEUE, Empty, bare_worker
from tests.e2e.runner import free_ports

LONGEST = timedelta(days=30)
_STARTED: Final = "activity_task_started_event_attributes"
_LOCAL: Final = "marker_recorded_event_attributes"  # a local activity, such as an announcement
_SCHEDULED: Final = "activity_task_scheduled_event_attributes"


class Cost(NamedTuple):
    """What one workflow, or an incident's two, came to."""

    events: int
    size: int
    activities: int
    first: float
    """Seconds from the start to the first action, or to the first activity where there is none."""


async def playbooks(passes: int = 2) -> None:
    """Every playbook, each beside an empty workflow with as many activities on the same server."""
    middle: dict[str, list[float]] = {"events": [], "bytes": [], "time": []}
    say(
        "whole incident: events and KiB, sealed; each over an empty workflow's with as many activities"
    )
    for kind in PLAYBOOKS:
        cost, floor = await whole_incident(kind)
        middle["events"].append(cost.events / floor.events)
        middle["bytes"].append(cost.size / floor.size)
        say(
            f"  {kind.answers:<24}{cost.events:>4} events {middle['events'][-1]:>4.1f}"
            f"{cost.size / 1024:>8.1f} KiB {middle['bytes'][-1]:>5.1f}  activities {cost.activities}"
        )
    say("start to first action, embedded server: median ms; over the same empty workflow's")
    for kind, (ours, theirs) in (await first_actions(passes)).items():
        middle["time"].append(median(ours) / median(theirs))
        say(
            f"  {kind.answers:<24}{median(ours) * 1e3:>7.1f} ms {middle['time'][-1]:>5.1f}  n {passes}"
        )
    for what, found in middle.items():
        say(f"  {what} over the floor: median {median(found):.1f}, most {max(found):.1f}")


def say(text: str) -> None:
    """One line of the report."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def whole_incident(kind: type[Playbook]) -> tuple[Cost, Cost]:
    """The incident of the example, approved, its leases ended, on a server that skips time; and its floor."""
    wish = _wish(kind)
    policy = Policy.model_validate(wish["policy"])
    env = await skipping(sealed_converter(KeyRing.fresh()))
    async with rehearsing(_kinds(), policy, env=env) as rehearsal:
        number = await _opened(rehearsal, kind, wish)
        await attend(rehearsal, policy, [number], LONGEST)
        histories = await rehearsal.histories()
        cost = costs([history.events for history in histories.values()])
        async with bare_worker(env.client):
            return cost, await empty(env.client, max(cost.activities, 1))


async def first_actions(passes: int) -> Mapping[type[Playbook], tuple[list[float], list[float]]]:
    """Seconds from start to first action, nobody approving, on the embedded server; and those of the floor."""
    found: dict[type[Playbook], tuple[list[float], list[float]]] = {k: ([], []) for k in PLAYBOOKS}
    for number in range(passes + 1):
        async with AsyncExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            port, ui = free_ports(2)
            settings = TemporalSettings(port=port, ui_port=ui)
            temporal = Embedded(settings, folder)
            await temporal.start()
            stack.push_async_callback(temporal.stop)
            client = await _connected(settings)
            await stack.enter_async_context(bare_worker(client))
            wishes = {kind: _wish(kind) for kind in PLAYBOOKS}
            assets = [a for wish in wishes.values() for a in wish["policy"]["assets"]]
            named = {one["name"]: one for one in assets}
            policy = Policy.model_validate(
                wishes[PLAYBOOKS[0]]["policy"] | {"assets": [*named.values()]}
            )
            rehearsal = await stack.enter_async_context(
                rehearsing(
                    _kinds(),
                    policy,
                    says=lambda _: None,
                    env=WorkflowEnvironment.from_client(client),
                )
            )
            for kind in PLAYBOOKS:
                incident = await _opened(rehearsal, kind, wishes[kind])
                await rehearsal.settle()
                histories = await rehearsal.histories()
                mine = [h.events for name, h in histories.items() if name.split("/")[0] == incident]
                cost = costs(mine)
                floor = await empty(client, max(cost.activities, 1))
                if number:  # the first pass warms everything up
                    found[kind][0].append(cost.first)
                    found[kind][1].append(floor.first)
    return found


async def empty(client: Client, activities: int) -> Cost:
    """An empty workflow with as many activities."""
    name = f"floor-{uuid.uuid4()}"
    await client.execute_workflow(Empty.run, activities, id=name, task_queue=QUEUE)
    return costs([(await client.get_workflow_handle(name).fetch_history()).events])


def costs(histories: Sequence[Sequence[HistoryEvent]]) -> Cost:
    """What these histories come to together."""
    events = [event for history in histories for event in history]
    scheduled = {
        (number, event.event_id): event.activity_task_scheduled_event_attributes.activity_type.name
        for number, history in enumerate(histories)
        for event in history
        if event.HasField(_SCHEDULED)
    }
    begun = [
        (
            event.event_time.ToMicroseconds(),
            scheduled[number, event.activity_task_started_event_attributes.scheduled_event_id],
        )
        for number, history in enumerate(histories)
        for event in history
        if event.HasField(_STARTED)
    ]
    start = min(event.event_time.ToMicroseconds() for event in events)
    local = [event.event_time.ToMicroseconds() for event in events if event.HasField(_LOCAL)]
    acts = [at for at, name in begun if name == "do"] or [at for at, _ in begun] or local
    return Cost(
        len(events),
        sum(event.ByteSize() for event in events),
        len(scheduled),
        (min(acts) - start) / 1e6,
    )


async def _connected(settings: TemporalSettings) -> Client:
    """A client of a server that listens already, and is healthy a moment later."""
    give_up = time.monotonic() + 60
    while True:
        try:
            return await connect(settings, KeyRing.fresh())
        except RuntimeError:
            if time.monotonic() > give_up:
                raise
            await asyncio.sleep(0.1)


def _kinds() -> Kinds:
    return Kinds.of(ACTIONS, LOOKUPS, PLAYBOOKS)


def _wish(kind: type[Playbook]) -> Json:
    return wish_of(example_of(kind).read_bytes(), "generic", kind.__name__, "", "approve", LONGEST)


async def _opened(rehearsal: Rehearsal, kind: type[Playbook], wish: dict[str, Any]) -> str:
    [alert] = [Alert.model_validate(one) for one in wish["alerts"]]
    alert = alert.model_copy(update={"occurred": rehearsal.clock.now})
    made = assess(alert, Triage(), "generic")
    assessment = Assessment.model_validate(made.model_dump() | {"category": kind.answers})
    number = await rehearsal.open(alert, assessment=assessment)
    assert number is not None
    return number
