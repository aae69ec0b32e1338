"""
The watch over what is held: rows that say what nobody decided are found within seconds.

An end or an extension that a row alone states does nothing, whenever a lease or the sweep comes by;
this looks at every hold in force without waiting for them, so that people hear of it soon.
"""

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from responder.audit import Entry
from responder.store.tables import holds, resources
from responder.verbs.believing import believe, put_back
from responder.verbs.carried import every_hold
from responder.verbs.context import Context
from responder.verbs.lifting import BASE_CHANGED
from responder.verbs.telling import tell_audited

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=15)


class Guard:
    """One worker's watch; where several workers watch, each forgery is told once."""

    def __init__(self, context: Context) -> None:
        self._context = context

    async def run(self) -> None:
        """Watch until cancelled; a round that fails is logged and the next one comes."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - the watch must outlive any one fault
                log.error("guard_failed", error=f"{type(error).__name__}: {error}")
            await asyncio.sleep(EVERY.total_seconds())

    async def once(self) -> int:
        """One round; returns how many holds read as nobody had decided."""
        context, now = self._context, self._context.store.now()
        held = resources.c.state.in_(("held", "lifting"))
        query = every_hold().join(resources, resources.c.name == holds.c.resource).where(held)
        async with context.store.reading() as tx:
            rows = (await tx.execute(query)).mappings().all()
            odd = [one.row["id"] for one in await believe(context, tx, rows, now) if one.forged]
            bases = (await tx.execute(select(resources).where(held))).mappings().all()
        changed = [
            row["name"]
            for row in bases
            if not context.warrants.unknown(row["base_seal"])
            and not context.warrants.base_holds(row)
        ]
        if changed:
            await self._tell_of_bases(changed, now)
        if not odd:
            return len(changed)
        async with context.store.transaction() as tx:  # once more, with the rows locked
            again = (await tx.execute(query.where(holds.c.id.in_(odd)))).mappings().all()
            found = await believe(context, tx, again, now)
            await put_back(tx, found, now)
        return len(changed) + sum(bool(one.forged) for one in found)

    async def _tell_of_bases(self, names: list[str], now: datetime) -> None:
        async with self._context.store.transaction() as tx:
            for name in names:
                entry = Entry(
                    kind="forged", actor="nobody", subject=name, data={"said": BASE_CHANGED}
                )
                await tell_audited(
                    tx,
                    now,
                    entry,
                    key=f"forged/base/{name}"[:380] + f"/{now:%Y%m%d%H}",
                    audience="security",
                    loud=True,
                    subject=f"what {name} held before was tampered with",
                    body=BASE_CHANGED,
                )
