"""Stored histories against the code as it is now: would a run that is open go on, or break?"""

import json
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.worker import (
    Interceptor,
    Replayer,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from responder.workflows.incident import IncidentWorkflow
from responder.workflows.lease import LeaseWorkflow
from responder.workflows.preview import PreviewWorkflow
from responder.workflows.scheduled import ScheduledWorkflow
from responder.workflows.wire import Batch, Inquiry

_OURS = (IncidentWorkflow, LeaseWorkflow, PreviewWorkflow, ScheduledWorkflow)
_MESSAGE = re.compile(r'message: "((?:[^"\\]|\\.)*)"')
_EVENT = r"HistoryEvent\(id: (\d+), (\w+)\)"
_KINDS = (
    (
        r"scheduled event '(.+?)' does not match activity type of activity command '(.+?)'",
        "the history goes on with {0}, the code with {1}",
    ),
    (
        rf"No command scheduled for event {_EVENT}",
        "the history has {1} as event {0}, and the code does nothing there",
    ),
    (
        rf"(\w+) machine does not handle this event: {_EVENT}",
        "the history has {2} as event {1}, where the code does something else",
    ),
)


@dataclass(frozen=True)
class Replayed:
    """What came of one history."""

    path: Path
    workflow: str
    said: str = ""  # the first difference in plain words; empty: it goes on as it was


async def replay_all(paths: Sequence[Path], playbooks: Sequence[type]) -> list[Replayed]:
    """Replay each history with the runner's own workflows and *playbooks*."""
    quiet = Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(TelemetryFilter("OFF", "OFF"))))
    return [await _replay(path, _read(path), playbooks, quiet) for path in paths]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""


async def _replay(path: Path, text: str, playbooks: Sequence[type], runtime: Runtime) -> Replayed:
    try:
        events = json.loads(text)["events"]
        began = events[0]["workflowExecutionStartedEventAttributes"]
        workflow = str(began["workflowType"]["name"])
        history = WorkflowHistory.from_json(path.stem, text)
    except (ValueError, KeyError, IndexError, TypeError) as error:
        return Replayed(
            path, "?", f"not a history of Temporal: {type(error).__name__} {error}"[:200]
        )
    heard = _Heard()
    restrictions = SandboxRestrictions.default.with_passthrough_modules(
        "pydantic", "pydantic_core", "rfc8785", "responder", "activities"
    )
    known = {one.__name__ for one in playbooks} | {"Incident", "Lease", "Preview", "Scheduled"}
    if workflow not in known:
        return Replayed(path, workflow, f"no playbook is called {workflow} any more")
    replayer = Replayer(
        workflows=[*_OURS, *playbooks],
        data_converter=pydantic_data_converter,
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        interceptors=[heard],
        runtime=runtime,
    )
    found = await replayer.replay_workflow(history, raise_on_replay_failure=False)
    if (other := _first_other(list(_asked(events)), heard.asked)) is not None:
        return Replayed(path, workflow, other)
    failure = found.replay_failure
    return Replayed(path, workflow, _plainly(str(failure)) if failure else "")


def _first_other(then: list[tuple[str, Any]], now: list[tuple[str, Any]]) -> str | None:
    """
    The first step that is asked for with other parameters.

    Temporal compares what is called and not with what, and the store would refuse such a step:
    its key may never come to mean another one.
    """
    for number, (was, is_now) in enumerate(zip(then, now, strict=False), 1):
        if was != is_now:
            return f"step {number}: the history has {_step(was)}, the code {_step(is_now)}"
    return None


def _step(step: tuple[str, Any]) -> str:
    verb, asked = step
    named = [asked["request"]] if verb == "look_up" else asked["actions"]
    return f"{verb} " + ", ".join(
        f"{one['kind']} {json.dumps(one['params'], sort_keys=True)[:80]}" for one in named
    )


def _asked(events: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """What a history asked for, in order."""
    for event in events:
        scheduled = event.get("activityTaskScheduledEventAttributes")
        if scheduled and scheduled["activityType"]["name"] in ("do", "look_up"):
            payload = scheduled["input"]["payloads"][0]
            yield scheduled["activityType"]["name"], json.loads(b64decode(payload["data"]))


def _plainly(said: str) -> str:
    """Temporal's words for a difference, without what surrounds them."""
    found = _MESSAGE.search(said.replace('\\\\"', "'"))
    text = (found[1] if found else said).replace("\\'", "'").replace("\\n", " ")
    text = re.sub(r"^\[TMPRL\d+\] Nondeterminism error: ", "", text)
    for pattern, words in _KINDS:
        if match := re.search(pattern, text):
            return words.format(*match.groups())
    return f"the code stops: {text}"[:300]


class _Heard(Interceptor):
    """Notes what the replayed code asks for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Any]] = []

    def workflow_interceptor_class(
        self,
        input: WorkflowInterceptorClassInput,  # noqa: A002 - Temporal's name
    ) -> type[WorkflowInboundInterceptor]:
        """The class that Temporal makes one of for each run."""
        asked = self.asked

        class Outbound(WorkflowOutboundInterceptor):
            def start_activity(self, input: StartActivityInput) -> Any:  # noqa: A002, ANN401 - Temporal's
                match input.args:
                    case [Batch() | Inquiry() as one] if input.activity in ("do", "look_up"):
                        asked.append((input.activity, one.model_dump(mode="json")))
                return super().start_activity(input)

        class Inbound(WorkflowInboundInterceptor):
            def init(self, outbound: WorkflowOutboundInterceptor) -> None:
                super().init(Outbound(outbound))

        return Inbound
