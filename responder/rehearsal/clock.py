"""The clock of a rehearsal: the store's time is the time of a Temporal that skips."""

from datetime import datetime, timedelta
from typing import Any

from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput, Interceptor


class SkippingClock:
    """What time it is in the rehearsal, as last heard from the server."""

    def __init__(self, env: WorkflowEnvironment, now: datetime) -> None:
        self._env = env
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    async def hear(self) -> datetime:
        """Ask the server; its time never goes back."""
        try:
            heard: datetime = await self._env.get_current_time()
        except RPCError:  # the server closes a connection now and then: the next one is another
            heard = await self._env.get_current_time()
        self.now = max(self.now, heard)
        return self.now

    async def sleep(self, time: timedelta) -> datetime:
        """Let *time* pass on the server; what a closed connection cut short is slept after that."""
        until = await self.hear() + time
        try:
            await self._env.sleep(time)
        except RPCError:
            if (left := until - await self.hear()) > timedelta(0):
                await self._env.sleep(left)
        return await self.hear()


class OnTheClock(Interceptor):
    """Has every verb begin with the clock as it is then: time may have skipped since the last one."""

    def __init__(self, clock: SkippingClock) -> None:
        self._clock = clock

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002 - Temporal's name
        """Wrap the activity."""
        return _Heard(next, self._clock)


class _Heard(ActivityInboundInterceptor):
    def __init__(self, inner: ActivityInboundInterceptor, clock: SkippingClock) -> None:
        super().__init__(inner)
        self._clock = clock

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002, ANN401 - Temporal's
        await self._clock.hear()
        return await super().execute_activity(input)
