"""What a Temporal Schedule starts: one look at whether something is due, and an incident if it is."""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.common import SearchAttributeKey

from responder.errors import ActionError
from responder.incident import Frozen, Name
from responder.workflows.perform import Verb, perform_here
from responder.workflows.refusing import RefusesUpdates

_SCHEDULED = SearchAttributeKey.for_datetime("TemporalScheduledStartTime")


class Occasion(Frozen):
    """A schedule, and the moment at which it says that something is due."""

    schedule: Name
    due: datetime | None = None


class Opened(Frozen):
    """The incident that was opened; none if there was one for this occasion."""

    incident: str | None = None


OPEN_SCHEDULED = Verb("open_scheduled", Occasion, Opened, timedelta(seconds=10))


# Our own code, replayed in CI: the sandbox, which guards authors, would double what it costs.
@workflow.defn(name="Scheduled", failure_exception_types=[ActionError], sandboxed=False)
class ScheduledWorkflow(RefusesUpdates):
    """One occasion of a schedule. The incident that it opens does the rest."""

    @workflow.run
    async def run(self, occasion: Occasion) -> Opened:
        due = occasion.due or workflow.info().typed_search_attributes.get(_SCHEDULED)
        asked = Occasion(schedule=occasion.schedule, due=due)
        return await perform_here(OPEN_SCHEDULED, asked, f"{occasion.schedule} is due")
