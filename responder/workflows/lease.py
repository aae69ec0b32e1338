"""The timer and undoer of one resource: how long it may stay changed is decided by the store."""

from contextlib import suppress
from datetime import timedelta

from temporalio import workflow

from responder.errors import ActionError
from responder.workflows.perform import LIFT, perform
from responder.workflows.refusing import RefusesUpdates
from responder.workflows.wire import LeaseStart


# Our own code, replayed in CI: the sandbox, which guards authors, would double what it costs.
@workflow.defn(name="Lease", failure_exception_types=[ActionError], sandboxed=False)
class LeaseWorkflow(RefusesUpdates):
    """
    Wakes when the last hold on a resource should end, and has it undone if it has.

    `lift` looks at the holds in the store and at the store's own clock. A stranger who signals,
    updates or resets this workflow only makes it look.
    """

    def __init__(self) -> None:
        self._looks = 0

    @workflow.run
    async def run(self, start: LeaseStart) -> str:
        """Until nothing is held on the resource and it is undone."""
        until = start.until
        while True:
            seen = self._looks
            left = None if until is None else max(until - workflow.now(), timedelta(milliseconds=1))
            with suppress(TimeoutError):
                await workflow.wait_condition(
                    lambda seen=seen: self._looks > seen,  # type: ignore[misc]
                    timeout=left,
                    timeout_summary=f"held until {until:%Y-%m-%d %H:%M:%S} UTC" if until else None,
                )
            lifted = await perform(LIFT, start, f"undo when nothing holds {start.resource}")
            if lifted.over:
                return "undone"
            until = lifted.until
            if workflow.info().is_continue_as_new_suggested():
                workflow.continue_as_new(LeaseStart(resource=start.resource, until=until))

    @workflow.signal
    def look(self) -> None:
        """A hold was taken, ended or extended. Says no more than that."""
        self._looks += 1
