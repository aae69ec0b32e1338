"""One incident from its first alert until a person closes it: clocks, escalation, playbook runs."""

import asyncio
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import (
    SearchAttributeKey,
    SearchAttributePair,
    SearchAttributeUpdate,
    TypedSearchAttributes,
)
from temporalio.exceptions import ChildWorkflowError, WorkflowAlreadyStartedError

from responder.errors import ActionError
from responder.workflows.perform import STAND, perform_here
from responder.workflows.refusing import RefusesUpdates
from responder.workflows.wire import IncidentStart, Nothing, RunStart, Standing

PRIORITY = SearchAttributeKey.for_keyword("IncidentPriority")
CATEGORY = SearchAttributeKey.for_keyword("IncidentCategory")
STATUS = SearchAttributeKey.for_keyword("IncidentStatus")
SUBJECT = SearchAttributeKey.for_keyword("IncidentSubject")
DUE = SearchAttributeKey.for_datetime("SlaDue")
BREACHED = SearchAttributeKey.for_bool("SlaBreached")
WAITING = SearchAttributeKey.for_keyword("WaitingFor")

_LONGEST_KEYWORD = 255  # characters; PostgreSQL's visibility table holds no more
_MOST_MESSAGES = 1_000
_SETTLE = timedelta(seconds=1)
_LONGEST_SETTLE = timedelta(minutes=1)


def search_attributes(standing: Standing) -> TypedSearchAttributes:
    """What Temporal's list shows and filters an incident by. Temporal keeps these in clear."""
    pairs: list[SearchAttributePair[Any]] = [
        SearchAttributePair(PRIORITY, f"P{standing.priority}"),
        SearchAttributePair(CATEGORY, standing.category[:_LONGEST_KEYWORD]),
        SearchAttributePair(STATUS, standing.status[:_LONGEST_KEYWORD]),
        SearchAttributePair(SUBJECT, standing.subject[:_LONGEST_KEYWORD]),
        SearchAttributePair(BREACHED, standing.sla_breached),
        SearchAttributePair(WAITING, standing.waiting_for[:_LONGEST_KEYWORD] or "nobody"),
    ]
    if standing.sla_due is not None:
        pairs.append(SearchAttributePair(DUE, standing.sla_due))
    return TypedSearchAttributes(pairs)


# Our own code, replayed in CI: the sandbox, which guards authors, would double what it costs.
@workflow.defn(name="Incident", failure_exception_types=[ActionError], sandboxed=False)
class IncidentWorkflow(RefusesUpdates):
    """
    Keeps an incident moving. The facts are rows in the store; this only says what comes next.

    It can be terminated, reset, signalled by a stranger or lost with Temporal's database: started
    again, it looks at the store and goes on from there.
    """

    def __init__(self) -> None:
        self._looks = 0
        self._shown: Standing | None = None
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._starts: dict[str, int] = {}
        self._alarm: asyncio.Task[None] | None = None
        self._alarm_at: datetime | None = None

    @workflow.run
    async def run(self, start: IncidentStart) -> str:
        """Until the store says that the incident is closed."""
        standing = start.standing or await self._stand()
        self._shown = start.standing
        while True:
            self._go_by(standing)
            if standing.closed:
                await workflow.wait_condition(workflow.all_handlers_finished)
                return standing.status
            seen = self._looks
            await workflow.wait_condition(lambda seen=seen: self._looks > seen)  # type: ignore[misc]
            if workflow.info().is_continue_as_new_suggested() or self._looks >= _MOST_MESSAGES:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(IncidentStart(id=start.id))
            standing = await self._stand()

    @workflow.signal
    def look(self) -> None:
        """Something in the store changed. Says no more than that, and is believed no more."""
        self._looks += 1

    async def _stand(self) -> Standing:
        return await perform_here(STAND, Nothing(), "where the incident stands")

    def _go_by(self, standing: Standing) -> None:
        for run in standing.runs:
            task = self._followed.get(run.id)
            if task is None or task.done():
                again = self._starts.get(run.id, 0)
                self._starts[run.id] = again + 1
                self._followed[run.id] = asyncio.create_task(self._follow(run, again=again))
        if standing.next_strike != self._alarm_at:
            self._set_alarm(standing)
        self._show(standing)

    def _set_alarm(self, standing: Standing) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm, self._alarm_at = None, standing.next_strike
        if standing.next_strike is not None:
            left = max(standing.next_strike - workflow.now(), timedelta(milliseconds=1))
            self._alarm = asyncio.create_task(self._ring(left, standing.next_strike_summary))

    async def _ring(self, left: timedelta, summary: str) -> None:
        await workflow.sleep(left, summary=summary)
        self._alarm_at = None
        self._looks += 1

    async def _follow(self, run: RunStart, *, again: int) -> None:
        """Start *run* and look again when it has ended, however it ended."""
        if again:
            settle = min(_SETTLE * 2 ** (again - 1), _LONGEST_SETTLE)
            await workflow.sleep(settle, summary=f"before starting {run.id} again")
        try:
            child = await workflow.start_child_workflow(
                run.playbook,
                run.incident,
                id=run.id,
                static_summary=run.summary,
                parent_close_policy=workflow.ParentClosePolicy.ABANDON,
            )
        except WorkflowAlreadyStartedError:
            # Another run of this incident started it; it reports through the store.
            await workflow.wait_condition(lambda: False)
            return
        # A run that failed has said so in the store; one that was killed is started again.
        with suppress(ChildWorkflowError):
            await child
        self._looks += 1

    def _show(self, standing: Standing) -> None:
        workflow.set_current_details(standing.board)
        if self._shown is not None:
            before = {p.key.name: p.value for p in search_attributes(self._shown)}
            changed: list[SearchAttributeUpdate[Any]] = [
                pair.key.value_set(pair.value)
                for pair in search_attributes(standing)
                if before.get(pair.key.name) != pair.value
            ]
        else:
            changed = [p.key.value_set(p.value) for p in search_attributes(standing)]
        if changed:
            workflow.upsert_search_attributes(changed)
        self._shown = standing
