"""Reading one workflow's history for what was not done by us; pure, so that it can be tried at length."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from temporalio.api.common.v1 import Header
from temporalio.api.enums.v1 import EventType, WorkflowTaskFailedCause
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.update.v1 import Request

from responder.intrusion.marks import HEADER, BadMark, Marks

_LONGEST = 80  # characters of what a stranger wrote
_MOST_SPENT = 100_000  # marks; only good ones are kept, so a stranger cannot make it forget
_RESET = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
# A task that came to nothing leaves none of these: their numbers may be given to other events.
_TAKEN_BACK = (
    EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED,
    EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED,
)
_KIND = "EVENT_TYPE_WORKFLOW_EXECUTION_"
# Nothing of ours does any of these: one is enough, whoever did it.
_NEVER = {
    f"{_KIND}CANCEL_REQUESTED": "its cancellation was asked for",
    f"{_KIND}PAUSED": "it was paused",
    f"{_KIND}UNPAUSED": "its pause was ended",
    f"{_KIND}OPTIONS_UPDATED": "its options were changed",
}


@dataclass(frozen=True)
class Finding:
    """One event that we did not cause; *by* is the workflow that the server names as its cause."""

    what: str
    event: int
    at: datetime
    said: str
    by: str | None = None


@dataclass(frozen=True)
class Trace:
    """How far one run was read."""

    workflow_id: str
    run_id: str
    upto: int = 0
    was_reset: bool = False


class Spent:
    """Where marks were used: each is good once, and after a time it is too old to be good again."""

    def __init__(self) -> None:
        self._where: dict[str, tuple[str, int]] = {}

    def take(self, nonce: str, run_id: str, event: int) -> bool:
        """Whether this is the first use; a run's start (event 1) and one signal may share a mark."""
        before = self._where.get(nonce)
        if before is None or before == (run_id, 1):
            self._where[nonce] = (run_id, event)
            while len(self._where) > _MOST_SPENT:
                del self._where[next(iter(self._where))]
            return True
        return before[0] == run_id and event in (before[1], 1)


@dataclass
class Reading:
    """A run's events in order, from where the last reading ended."""

    marks: Marks
    trace: Trace
    spent: Spent
    details: Mapping[int, str] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)

    def read(self, events: Iterable[HistoryEvent]) -> Trace:
        """Judge *events*; what is not ours is in `found`. Returns the trace as it is then."""
        for event in events:
            self._one(event)
            if event.event_type not in _TAKEN_BACK:
                self.trace = replace(self.trace, upto=event.event_id)
        return self.trace

    def _one(self, event: HistoryEvent) -> None:
        kind = EventType.Name(event.event_type)
        if kind in _NEVER:
            self._report("changed", event, f"{_NEVER[kind]} by {_identity(event)}")
        elif event.HasField("workflow_execution_started_event_attributes"):
            self._started(event)
        elif event.HasField("workflow_execution_signaled_event_attributes"):
            told = event.workflow_execution_signaled_event_attributes
            by = told.external_workflow_execution.workflow_id or None
            said = f"signal {_clip(told.signal_name)} by {_clip(told.identity)}"
            self._judge("signal", event, told.header, ("signal", "both"), said, by)
        elif event.HasField("workflow_execution_update_admitted_event_attributes"):
            asked = event.workflow_execution_update_admitted_event_attributes.request
            self._update(event, asked)
        elif event.HasField("workflow_execution_update_accepted_event_attributes"):
            accepted = event.workflow_execution_update_accepted_event_attributes
            if accepted.HasField("accepted_request"):  # else it was admitted by an event before
                self._update(event, accepted.accepted_request)
        elif event.HasField("workflow_execution_terminated_event_attributes"):
            self._terminated(event)
        elif event.workflow_task_failed_event_attributes.cause == _RESET:
            self.trace = replace(self.trace, was_reset=True)
            failed = event.workflow_task_failed_event_attributes
            said = f"it was reset by {_clip(failed.identity)}: {_clip(failed.failure.message)}"
            self._report("reset", event, said)

    def _started(self, event: HistoryEvent) -> None:
        begun = event.workflow_execution_started_event_attributes
        if begun.continued_execution_run_id:
            return  # the server's word: the run before it asked for this one, and was itself judged
        if begun.original_execution_run_id not in ("", self.trace.run_id):
            # A reset copied this event: the reset is reported, and its original was judged.
            self.trace = replace(self.trace, was_reset=True)
            return
        parent = begun.parent_workflow_execution.workflow_id or None
        purposes = ("start", "both") + (("schedule",) if _is_scheduled(event) else ())
        said = f"it was started by {_clip(parent or begun.identity)}"
        self._judge("start", event, begun.header, purposes, said, parent)

    def _update(self, event: HistoryEvent, request: Request) -> None:
        said = f"update {_clip(request.input.name)} by {_clip(request.meta.identity)}"
        self._judge("update", event, request.input.header, ("update",), said)

    def _terminated(self, event: HistoryEvent) -> None:
        ended = event.workflow_execution_terminated_event_attributes
        said = f"it was terminated by {_clip(ended.identity)}: {_clip(ended.reason)}"
        header = Header()
        header.fields[HEADER].data = self.details.get(event.event_id, "").encode()
        self._judge("termination", event, header, ("terminate",), said)

    def _judge(
        self,
        what: str,
        event: HistoryEvent,
        header: Header,
        purposes: tuple[str, ...],
        said: str,
        by: str | None = None,
    ) -> None:
        at = _at(event)
        mark = header.fields[HEADER].data.decode("ascii", "replace") if header.fields else ""
        # A reset writes the signals that came after its point anew, at its own time.
        when = None if self.trace.was_reset else at
        try:
            nonce = self.marks.judge(mark, purposes, self.trace.workflow_id, when)
        except BadMark as bad:
            # What came before there was this key could not be marked with it.
            if at >= self.marks.since:
                self._report(what, event, f"{said}; {bad}", by)
            return
        once = nonce and when is not None
        if once and not self.spent.take(nonce, self.trace.run_id, event.event_id):
            self._report(what, event, f"{said}; its mark was used before", by)

    def _report(self, what: str, event: HistoryEvent, said: str, by: str | None = None) -> None:
        self.found.append(Finding(what, event.event_id, _at(event), said, by))


def _is_scheduled(event: HistoryEvent) -> bool:
    return event.workflow_execution_started_event_attributes.workflow_type.name == "Scheduled"


def _at(event: HistoryEvent) -> datetime:
    return event.event_time.ToDatetime(tzinfo=UTC)


def _identity(event: HistoryEvent) -> str:
    attributes = getattr(event, event.WhichOneof("attributes") or "", None)
    return _clip(getattr(attributes, "identity", ""))


def _clip(text: str) -> str:
    """A stranger's words: short, and without anything that a terminal would obey."""
    return repr(text[:_LONGEST]) if text else "nobody named"
