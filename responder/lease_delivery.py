"""What was approved about leases, written down and made known until it is: nothing waits for one process."""

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import and_, or_, select

from responder.approval.leasing import Leasing
from responder.standing.lease_asks import came_of
from responder.store import Store
from responder.store.tables import asks
from responder.temporal import Link
from responder.verbs.asking import expire

log = structlog.get_logger(__name__)

EVERY = timedelta(milliseconds=250)
_LOOKS_EVERY = 0.1  # seconds


class LeaseDelivery:
    """
    Writes down what the last person approved, whichever face they used, and ends asks by their time.

    A decision and what it does to the rows are two transactions where a second person decides: if
    `serve` dies between them, this finds the ask when it starts again.
    """

    def __init__(self, store: Store, link: Link, leasing: Leasing) -> None:
        self._store = store
        self._link = link
        self._leasing = leasing

    async def run(self) -> None:
        """Deliver until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - the store may be busy; the rows stay
                log.warning("lease_delivery_failed", error=f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(1)
            await asyncio.sleep(EVERY.total_seconds())

    async def once(self) -> int:
        """One round; returns how many asks were brought further."""
        now = self._store.now()
        undone = and_(asks.c.state == "approved", asks.c.applied.is_(None))
        over = and_(asks.c.state == "open", asks.c.expires <= now)
        query = select(asks).where(asks.c.kind.in_(("end", "extend")), or_(undone, over))
        async with self._store.reading() as tx:
            rows = (await tx.execute(query.limit(100))).mappings().all()
        for row in rows:
            await self._one(row)
        return len(rows)

    async def _one(self, ask: Any) -> None:  # noqa: ANN401 - a row's mapping
        async with self._store.transaction() as tx:
            if ask["state"] == "open":
                await expire(tx, ask, self._store.now())
                return
            touched = await self._leasing.apply(tx, ask)
        await self.tell(touched)

    async def tell(self, resources: Iterable[str]) -> None:
        """Make the leases of *resources* look; while Temporal is away the sweep looks instead."""
        for resource in resources:
            try:
                await self._link.lease(resource, None, new=False)
            except Exception as error:  # noqa: BLE001 - the rows are written: workers sweep them
                log.warning("lease_not_told", resource=resource, error=type(error).__name__)
                return

    async def came(self, ask_id: str, within: timedelta) -> list[dict[str, Any]]:
        """What came of every hold of an ask; waits for it until *within* has passed."""
        until = asyncio.get_running_loop().time() + within.total_seconds()
        while True:
            async with self._store.reading() as tx:
                found = await came_of(tx, ask_id)
            late = asyncio.get_running_loop().time() >= until
            if late or all(one["settled"] for one in found):
                return found
            await asyncio.sleep(_LOOKS_EVERY)
