"""Puts our mark on everything that a client of ours does to a workflow."""

import dataclasses
import inspect
from collections.abc import Mapping
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    CreateScheduleInput,
    Interceptor,
    OutboundInterceptor,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleUpdate,
    ScheduleUpdateInput,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    TerminateWorkflowInput,
    UpdateScheduleInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)

from responder.intrusion.marks import HEADER, Marks


class Marking(Interceptor):
    """For `Client.connect(interceptors=...)`. A termination has no headers: its details are the mark."""

    def __init__(self, marks: Marks) -> None:
        self._marks = marks

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        """The calls of a client, marked."""
        return _Marked(next, self._marks)


class _Marked(OutboundInterceptor):
    def __init__(self, inner: OutboundInterceptor, marks: Marks) -> None:
        super().__init__(inner)
        self._marks = marks

    def _headers(
        self, before: Mapping[str, Payload] | None, purpose: str, workflow_id: str
    ) -> dict[str, Payload]:
        return {**(before or {}), HEADER: _payload(self._marks.make(purpose, workflow_id))}

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002
        # Of a signal with a start both events get the same header.
        purpose = "start" if input.start_signal is None else "both"
        headers = self._headers(input.headers, purpose, input.id)
        return await super().start_workflow(dataclasses.replace(input, headers=headers))

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002
        headers = self._headers(input.headers, "signal", input.id)
        await super().signal_workflow(dataclasses.replace(input, headers=headers))

    async def start_workflow_update(
        self,
        input: StartWorkflowUpdateInput,  # noqa: A002
    ) -> WorkflowUpdateHandle[Any]:
        headers = self._headers(input.headers, "update", input.id)
        return await super().start_workflow_update(dataclasses.replace(input, headers=headers))

    async def terminate_workflow(self, input: TerminateWorkflowInput) -> None:  # noqa: A002
        args = [*input.args, self._marks.make("terminate", input.id)]
        await super().terminate_workflow(dataclasses.replace(input, args=args))

    async def create_schedule(self, input: CreateScheduleInput) -> ScheduleHandle:  # noqa: A002
        self._mark_schedule(input.schedule.action)
        return await super().create_schedule(input)

    async def update_schedule(self, input: UpdateScheduleInput) -> None:  # noqa: A002
        async def updater(found: ScheduleUpdateInput) -> ScheduleUpdate | None:
            made = input.updater(found)
            update = await made if inspect.isawaitable(made) else made
            if update is not None:
                self._mark_schedule(update.schedule.action)
            return update

        await super().update_schedule(dataclasses.replace(input, updater=updater))

    def _mark_schedule(self, action: object) -> None:
        if isinstance(action, ScheduleActionStartWorkflow):
            mark = _payload(self._marks.make_standing(action.id))
            action.headers = {**(action.headers or {}), HEADER: mark}


def _payload(mark: str) -> Payload:
    return Payload(metadata={"encoding": b"binary/plain"}, data=mark.encode())
