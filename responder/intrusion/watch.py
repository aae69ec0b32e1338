"""
The watch: looks at every workflow of ours for what we did not do, within half a minute.

Temporal's list knows which runs there are and how they ended, but not how long an open one's history
is: each open run is described every third round, and its history read from where the last reading
ended if it has grown.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    ListWorkflowExecutionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from responder.intrusion.alarms import Alarms
from responder.intrusion.fetching import Histories
from responder.intrusion.histories import Reading, Spent, Trace
from responder.intrusion.marks import Marks
from responder.standing.auditor import TEMPORAL, beat
from responder.store import Store

log = structlog.get_logger(__name__)

BEAT = timedelta(seconds=50)  # less than a worker looks for
ROUNDS = 3  # in so many rounds every open run is looked at
OUR_TYPES = ("Incident", "Lease", "Preview", "Scheduled")

_MOST_LOOKS = 1_000  # a round
_MOST_READ = 500  # histories a round
_AT_ONCE = 8
_PAGE = 1_000
_MOST_PAGES = 20
_OVERLAP = timedelta(minutes=5)  # that the list is late, and that clocks may differ
_FIRST = timedelta(hours=1)  # how far back the first round looks: as long as a restart may take


Found = TypeVar("Found")


@dataclass
class _Seen:
    """What is remembered of one run."""

    trace: Trace
    length: int
    looked: int
    over: bool


class Watch:
    """Looks beside everything else in `serve`."""

    def __init__(
        self,
        store: Store,
        client: Client,
        marks: Marks,
        playbooks: Iterable[str],
        *,
        every: timedelta = timedelta(seconds=10),
    ) -> None:
        self._every = every
        self._store = store
        self._client = client
        self._marks = marks
        self._beaten: datetime | None = None
        self._alarms = Alarms(store)
        self._types = ", ".join(f"'{name}'" for name in (*OUR_TYPES, *playbooks))
        self._seen: dict[str, _Seen] = {}
        self._spent = Spent()
        self._last: datetime | None = None
        self._round = 0
        self.calls: Counter[str] = Counter()
        self._histories = Histories(client, self.calls)

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - Temporal may be away for a while
                log.warning("watch_failed", error=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(self._every.total_seconds())

    async def once(self) -> list[str]:
        """One round; returns the alarms that it raised."""
        began = datetime.now(UTC)
        self._round += 1
        listed = await self._list()
        self._seen = {run: seen for run, seen in self._seen.items() if run in listed}
        due = await self._due(listed)
        if len(due) > _MOST_READ:
            log.warning("watch_behind", histories=len(due), read=_MOST_READ)
        told = [said for some in await _each(self._read, due[:_MOST_READ]) for said in some if said]
        self._last = began
        await self._beat(began, len(listed), len(due))
        if told:
            log.warning("forged", count=len(told), said=told[:10])
        return told

    async def _beat(self, began: datetime, listed: int, read: int) -> None:
        """Say, now and then, that this is alive: a worker watches for it."""
        if self._beaten is not None and began - self._beaten < BEAT:
            return
        self._beaten = began
        took, said = (datetime.now(UTC) - began).total_seconds(), f"{listed} runs, {read} read"
        async with self._store.transaction() as tx:
            await beat(tx, TEMPORAL, self._store.now(), took, said)

    async def _list(self) -> dict[str, WorkflowExecutionInfo]:
        """Runs of our types that are open, or were closed since the last round."""
        since = (self._last - _OVERLAP) if self._last else (datetime.now(UTC) - _FIRST)
        request = ListWorkflowExecutionsRequest(
            namespace=self._client.namespace,
            page_size=_PAGE,
            query=f"WorkflowType IN ({self._types}) AND "
            f"(CloseTime IS NULL OR CloseTime > '{since:%Y-%m-%dT%H:%M:%SZ}')",
        )
        listed: dict[str, WorkflowExecutionInfo] = {}
        for _ in range(_MOST_PAGES):
            self.calls["list"] += 1
            page = await self._client.workflow_service.list_workflow_executions(request)
            listed |= {one.execution.run_id: one for one in page.executions}
            if not page.next_page_token:
                return listed
            request.next_page_token = page.next_page_token
        log.warning("watch_cut_short", runs=len(listed))
        return listed

    async def _due(self, listed: dict[str, WorkflowExecutionInfo]) -> list[WorkflowExecutionInfo]:
        """The runs whose history has what was not read yet: those that we know come first."""
        ended, open_, new = [], [], []
        for run, info in listed.items():
            seen = self._seen.get(run)
            if seen is None:
                new.append(info)
            elif not info.HasField("close_time"):
                open_.append((seen.looked, run, info))
            elif not seen.over:
                # The list knows how long the history of an ended run is.
                seen.over = seen.trace.upto == info.history_length
                if not seen.over:
                    ended.append(info)
        open_.sort(key=lambda one: one[:2])
        share = min(math.ceil(len(open_) / ROUNDS), _MOST_LOOKS)
        grown = await _each(self._look, [info for _, _, info in open_[:share]])
        new.sort(key=lambda info: info.start_time.ToNanoseconds())
        return [*ended, *(info for info in grown if info is not None), *new]

    async def _look(self, info: WorkflowExecutionInfo) -> WorkflowExecutionInfo | None:
        """The run, if its history has grown since it was read."""
        self.calls["describe"] += 1
        request = DescribeWorkflowExecutionRequest(
            namespace=self._client.namespace, execution=info.execution
        )
        described = await self._client.workflow_service.describe_workflow_execution(request)
        seen = self._seen[info.execution.run_id]
        seen.looked = self._round
        length = described.workflow_execution_info.history_length
        if length == seen.length:
            return None
        if length < seen.trace.upto:  # Temporal was given back an older copy of its database
            seen.trace = Trace(seen.trace.workflow_id, seen.trace.run_id)
        info.history_length = length  # which the list does not know of an open run
        return info

    async def _read(self, info: WorkflowExecutionInfo) -> list[str]:
        """Read what is new in one history, and raise the alarm for what is not ours."""
        execution = info.execution
        seen = self._seen.get(execution.run_id)
        before = seen.trace if seen else Trace(execution.workflow_id, execution.run_id)
        events = await self._histories.after(execution, before.upto)
        reading = Reading(self._marks, before, self._spent, await self._histories.details(events))
        after = reading.read(events)
        told = await self._alarms.raise_for(after, reading.found) if reading.found else []
        # Only now: a round that ended before the alarm was written down is done again.
        length = events[-1].event_id if events else info.history_length
        over = info.HasField("close_time")
        self._seen[execution.run_id] = _Seen(after, length, self._round, over)
        return told


async def _each(
    do: Callable[[WorkflowExecutionInfo], Awaitable[Found]], some: list[WorkflowExecutionInfo]
) -> list[Found]:
    """Do it for each, some at once; one that is gone, or fails, does not keep the others back."""
    gate = asyncio.Semaphore(_AT_ONCE)
    done: list[Found] = []

    async def one(info: WorkflowExecutionInfo) -> None:
        async with gate:
            try:
                done.append(await do(info))
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    log.warning(
                        "watch_skips", run=info.execution.workflow_id, error=str(error)[:200]
                    )
            except Exception as error:  # noqa: BLE001 - whatever a stranger wrote, the others are looked at
                log.error("watch_skips", run=info.execution.workflow_id, error=str(error)[:200])

    await asyncio.gather(*map(one, some))
    return done
