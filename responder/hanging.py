"""
Playbooks whose code does not come back: it spins, or does something else at a replay than it did before.

Temporal tries such a step again and again and tells nobody. People hear of it here, with what
Temporal says; the run is left to a worker with a fix, as its incident, clocks and leases go on.
"""

import asyncio
import re
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select

from responder.audit import Entry
from responder.store import Store
from responder.store.tables import runs
from responder.temporal import Link
from responder.verbs.telling import tell_audited

log = structlog.get_logger(__name__)

EVERY = timedelta(seconds=10)
_TRIES = 3  # of one step: the first ones may be a worker that was restarted
_LONGEST = 300
_SPINS = (
    "its code does not give the event loop back: a loop without an end, or a long computation. "
    "Have it wait (await workflow.sleep), or let a lookup compute it"
)
_DIFFERS = (
    "its code does something else than it did when this run began. Bring back the code that it "
    "began with, or wrap the change in workflow.patched; `responder replay` tells beforehand"
)
_HINTS = {"deadlock": _SPINS, "nondeterminism": _DIFFERS}


class Hanging:
    """Looks at the open runs now and then."""

    def __init__(self, store: Store, link: Link) -> None:
        self._store = store
        self._link = link

    async def run(self) -> None:
        """Look until cancelled: beside the nudger, whose strikes wait for no look at many runs."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - Temporal may be away for a while
                log.debug("hanging_not_seen", error=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(EVERY.total_seconds())

    async def once(self) -> int:
        """One round; returns of how many runs people were told."""
        now = self._store.now()
        async with self._store.reading() as tx:
            query = select(runs.c.id, runs.c.incident).where(
                runs.c.closed.is_(None), runs.c.opened < now - EVERY
            )
            found = (await tx.execute(query.limit(500))).all()
        told = 0
        for run, incident in found:
            tries, why = await self._link.tries(run)
            if tries >= _TRIES:
                told += await self._tell(run, incident, why, now)
        return told

    async def _tell(self, run: str, incident: str, why: str, now: datetime) -> bool:
        said = re.sub(r"\s+", " ", why).strip()[:_LONGEST] or "its worker does not answer in time"
        hints = [f"{hint}.\n\n" for word, hint in _HINTS.items() if word in why.lower()]
        async with self._store.transaction() as tx:
            return await tell_audited(
                tx,
                now,
                Entry(kind="run hangs", actor="nudger", subject=run, incident=incident),
                key=f"hangs/{run}",
                audience="security",
                loud=True,
                subject=f"{run}: the playbook does not go on",
                body=f"{said}\n\n{''.join(hints)}Until then it does nothing more. The incident's clocks go "
                "on, and what is contained stays leased.",
            )
