"""
The store against Temporal: what should run and does not is started, what is behind is made to look.

Temporal may be killed, lose its database, be given back an old copy of it, or have workflows
terminated by a stranger. The store is what is right; everything here is safe to do again.
"""

import asyncio
import secrets
from datetime import timedelta

import structlog
from sqlalchemy import insert, select, update

from responder.audit import Entry
from responder.store import Store
from responder.store.tables import incidents, resources, runs, settings_now
from responder.temporal import Link, prepare
from responder.verbs.telling import tell_audited

log = structlog.get_logger(__name__)


class Reconciler:
    """Compares the store with Temporal, on start and then at every interval."""

    def __init__(self, store: Store, link: Link, *, every: timedelta, retention: bool) -> None:
        self._store = store
        self._link = link
        self._every = every
        self._retention = retention
        self._orphans: set[str] = set()
        self.rounds = 0

    async def run(self) -> None:
        """Reconcile until cancelled."""
        while True:
            try:
                await self.once()
                wait = self._every.total_seconds()
            except Exception as error:  # noqa: BLE001 - Temporal may be away for a while
                log.warning("reconcile_failed", error=f"{type(error).__name__}: {error}"[:300])
                wait = 2.0
            await asyncio.sleep(wait)

    async def once(self) -> list[str]:
        """One round; returns the ids of the workflows that had to be started or told."""
        strange = await self._is_another_temporal()
        if strange:
            await prepare(self._link.client, retention=self._retention)
        touched = [
            *await self._incidents(tell_all=strange),
            *await self._leases(tell_all=strange),
            *await self._runs(tell_all=strange),
        ]
        self.rounds += 1
        if touched:
            log.info("reconciled", touched=touched[:20], count=len(touched))
        return touched

    async def _is_another_temporal(self) -> bool:
        """Whether Temporal's database is not the one of the last round: new, lost or an old copy."""
        found = await self._link.beacon()
        mark = secrets.token_hex(8)
        async with self._store.transaction() as tx:
            this = settings_now.c.name == "beacon"
            row = (await tx.execute(select(settings_now).where(this))).one_or_none()
            values = {"value": {"mark": mark}, "changed": self._store.now()}
            if row is None:
                await tx.execute(insert(settings_now).values(name="beacon", **values))
            else:
                await tx.execute(update(settings_now).where(this).values(values))
        await self._link.set_beacon(mark)
        expected = None if row is None else row.value.get("mark")
        return self.rounds == 0 or found != expected

    async def _incidents(self, *, tell_all: bool) -> list[str]:
        async with self._store.reading() as tx:
            query = select(incidents.c.id, incidents.c.seen_revision).where(
                incidents.c.closed.is_(None)
            )
            rows = (await tx.execute(query)).all()
        running = await self._link.running("Incident")
        touched = []
        for row in rows:
            there = row.id in running or await self._link.is_running(row.id)
            if there and not tell_all:
                continue
            if not there and row.seen_revision > 0:
                await self._say_restarted(row.id)
            if there or row.seen_revision > 0:
                await self._link.start_or_tell(row.id)
                touched.append(row.id)
        return touched

    async def _say_restarted(self, incident: str) -> None:
        now = self._store.now()
        async with self._store.transaction() as tx:
            entry = Entry(
                kind="restarted",
                actor="reconciler",
                subject=incident,
                incident=incident,
                data={"why": "the store holds it open, and Temporal has no running workflow of it"},
            )
            await tell_audited(
                tx,
                now,
                entry,
                key=f"restarted/{incident}/{now:%Y%m%d%H%M%S}",
                audience="security",
                loud=True,
                subject=f"{incident}: its workflow was gone and was started again",
                body="It was terminated, or Temporal lost it. Nothing was done twice; look who "
                "can reach Temporal.",
            )

    async def _leases(self, *, tell_all: bool) -> list[str]:
        async with self._store.reading() as tx:
            query = select(resources.c.name, resources.c.until).where(
                resources.c.state.in_(("held", "lifting"))
            )
            rows = (await tx.execute(query)).all()
        running = await self._link.running("Lease") if rows else set()
        touched = []
        for row in rows:
            name = f"lease/{row.name}"
            if (name in running or await self._link.is_running(name)) and not tell_all:
                continue
            await self._link.lease(row.name, row.until, new=False)
            touched.append(name)
        return touched

    async def _runs(self, *, tell_all: bool) -> list[str]:
        """Open runs: told if all are, and their incident made new if they are gone for a whole round."""
        async with self._store.reading() as tx:
            query = (
                select(runs.c.id, runs.c.incident)
                .join(incidents, incidents.c.id == runs.c.incident)
                .where(runs.c.closed.is_(None), incidents.c.closed.is_(None))
            )
            rows = (await tx.execute(query)).all()
        touched, gone = [], set()
        for row in rows:
            if await self._link.is_running(row.id):
                if tell_all:
                    await self._link.tell(row.id)
                    touched.append(row.id)
            elif row.id in self._orphans:
                # The incident's workflow believes that the run goes on: a new one will look.
                await self._link.renew(row.incident, f"run {row.id} is gone")
                touched.append(row.id)
            else:
                gone.add(row.id)
        self._orphans = gone
        return touched
