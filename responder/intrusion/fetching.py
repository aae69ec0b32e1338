"""Getting the end of a run's history out of Temporal, and opening what is sealed in it."""

from collections import Counter

import structlog
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client

log = structlog.get_logger(__name__)


class Histories:
    """Reads histories with one client; *calls* counts what that costs."""

    def __init__(self, client: Client, calls: Counter[str]) -> None:
        self._client = client
        self._calls = calls

    async def after(self, execution: WorkflowExecution, upto: int) -> list[HistoryEvent]:
        """The events after number *upto*, in order; read from the end, as Temporal can."""
        request = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self._client.namespace, execution=execution
        )
        events: list[HistoryEvent] = []
        while True:
            self._calls["history"] += 1
            service = self._client.workflow_service
            page = await service.get_workflow_execution_history_reverse(request)
            fresh = [one for one in page.history.events if one.event_id > upto]
            events += fresh
            if not page.next_page_token or len(fresh) < len(page.history.events):
                return events[::-1]
            request.next_page_token = page.next_page_token

    async def details(self, events: list[HistoryEvent]) -> dict[int, str]:
        """The marks of terminations, which are sealed like every payload."""
        found = {}
        for event in events:
            if not event.HasField("workflow_execution_terminated_event_attributes"):
                continue
            payloads = event.workflow_execution_terminated_event_attributes.details.payloads
            try:
                values = await self._client.data_converter.decode(list(payloads))
            except Exception as error:  # noqa: BLE001 - a stranger's payload may be anything
                log.debug("details_unreadable", error=str(error)[:200])
                continue
            found[event.event_id] = next((v for v in values[::-1] if isinstance(v, str)), "")
        return found
