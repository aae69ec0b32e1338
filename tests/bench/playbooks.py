"""What each playbook costs in Temporal: events and bytes of an incident, and how soon it first acts."""

import sys
import tempfile
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
    whole = {kind: await whole_incident(kind) for kind in PLAYBOOKS}
    acts = await first_actions(passes)
    say = sys.stdout.write
    say(
        "each playbook's incident, whole: events and KiB of its histories, sealed; over an empty workflow\n"
    )
    say(
        "with as many activities. Then ms from its start to its first action on the embedded server, likewise\n"
    )
    ratios: list[tuple[float, float, float]] = []
    for kind in PLAYBOOKS:
        (cost, floor), (ours, theirs) = whole[kind], acts[kind]
        ratio = cost.events / floor.events, cost.size / floor.size, median(ours) / median(theirs)
        ratios.append(ratio)
        say(
            f"  {kind.answers:<22} {cost.events:>4} events {ratio[0]:>4.1f}  {cost.size / 1024:>6.1f} KiB "
            f"{ratio[1]:>4.1f}  {median(ours) * 1e3:>6.1f} ms {ratio[2]:>4.1f}  activities {cost.activities}\n"
        )
    middle = [median(column) for column in zip(*ratios, strict=True)]
    most = [max(column) for column in zip(*ratios, strict=True)]
    for what, one, other in zip(("events", "bytes", "time to act"), middle, most, strict=True):
        say(f"  {what} over the floor: median {one:.1f}, most {other:.1f}, n {len(ratios)}\n")
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
            temporal = Embedded(TemporalSettings(port=port, ui_port=ui), folder)
            await temporal.start()
            stack.push_async_callback(temporal.stop)
            client = await Client.connect(
                f"127.0.0.1:{port}", namespace="responder",
                data_converter=sealed_converter(KeyRing.fresh()),
            )  # fmt: skip
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
