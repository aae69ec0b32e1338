"""
The sweep over what is held: points that did not answer are tried again, drift is found and mended.

It also undoes what should have been undone by now, so that nothing stays contained because
Temporal, or a lease in it, is gone.
"""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import and_, or_, select, update

from responder.audit import Entry, append
from responder.contract import Action
from responder.errors import ActionError
from responder.plan import Outcome
from responder.store.tables import holds, resources
from responder.verbs.context import Context
from responder.verbs.enforcing import enforce
from responder.verbs.held import load
from responder.verbs.lifting import lift

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=2)
LOOK_AGAIN = timedelta(seconds=60)  # drift: how old a verification may grow
OVERDUE = timedelta(seconds=15)  # what a lease has not undone by then is undone here
_CLAIM = timedelta(seconds=30)
_AT_ONCE = 16


class Sweep:
    """One worker's sweep; with several workers each resource is looked at by one of them."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._going: dict[str, asyncio.Task[object]] = {}

    async def run(self) -> None:
        """Sweep until cancelled; a round that fails is logged and the next one comes."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - the sweep must outlive any one fault
                log.error("sweep_failed", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(EVERY.total_seconds())

    async def once(self) -> int:
        """One round; returns how many resources were looked at."""
        context = self._context
        now = context.store.now()
        async with context.store.reading() as tx:
            held = select(resources.c.name).where(
                resources.c.state == "held",
                or_(
                    and_(resources.c.next_try.is_not(None), resources.c.next_try <= now - EVERY),
                    resources.c.checked <= now - LOOK_AGAIN,
                ),
            )
            to_hold = list((await tx.execute(held.limit(200))).scalars())
            late = (
                select(resources.c.name)
                .outerjoin(
                    holds,
                    and_(
                        holds.c.resource == resources.c.name,
                        holds.c.ended.is_(None),
                        or_(holds.c.until.is_(None), holds.c.until > now - OVERDUE),
                    ),
                )
                .where(
                    resources.c.state.in_(("held", "lifting")),
                    holds.c.id.is_(None),
                    or_(resources.c.claimed_until.is_(None), resources.c.claimed_until < now),
                )
            )
            to_lift = list((await tx.execute(late.limit(200))).scalars())
        gate = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(
            *(self._one(gate, name, lifts=False) for name in to_hold),
            *(self._one(gate, name, lifts=True) for name in to_lift),
        )
        return len(to_hold) + len(to_lift)

    async def _one(self, gate: asyncio.Semaphore, name: str, *, lifts: bool) -> None:
        async with gate:
            try:
                if lifts:
                    await lift(self._context, name)
                else:
                    await self._hold(name)
            except ActionError as error:
                log.warning("sweep_not_yet", resource=name, said=error.message)

    async def _hold(self, name: str) -> None:
        """Look at one held resource; a point that no longer holds it is drift, mended and said."""
        context = self._context
        now = context.store.now()
        async with context.store.transaction() as tx:
            claimed = await tx.execute(
                update(resources)
                .where(
                    resources.c.name == name,
                    resources.c.state == "held",
                    or_(resources.c.checked.is_(None), resources.c.checked <= now - EVERY),
                )
                .values(checked=now, next_try=now + _CLAIM)
            )
            held = await load(context, tx, name) if claimed.rowcount == 1 else None
        if held is None or name in self._going:
            return
        was_good = held.row["outcome"] == Outcome.VERIFIED
        if was_good and (said := await self._drifted(name)):
            async with context.store.transaction() as tx:
                for incident in dict.fromkeys(hold["incident"] for hold in held.live):
                    entry = Entry(
                        kind="drift",
                        actor="sweep",
                        subject=name,
                        incident=incident,
                        data={"said": said},
                    )
                    await append(tx, now, entry)
        if all(action.longest <= Action.longest for action in held.actions):
            await enforce(context, name)
            return
        # Evidence may take half an hour: leases and drift do not wait for it.
        going = self._going[name] = asyncio.create_task(enforce(context, name))
        going.add_done_callback(lambda _: self._going.pop(name, None))

    async def _drifted(self, name: str) -> str | None:
        """How a resource that was verified differs now from what is wanted, if its point answers."""
        context = self._context
        async with context.store.reading() as tx:
            held = await load(context, tx, name)
        if held is None:
            return None
        resource = context.provision.resolve(held.actions[0]).get(held.row["point"])
        if resource is None:
            return None
        try:
            found = await resource.read()
        except ActionError:
            return None
        wanted = held.wanted(context.store.now())
        if found.state == wanted.state:
            return None
        return f"expected {wanted.state!r} but found {found.state!r}; put back"
