"""The auditor: every minute, apart from Temporal, it compares what is with what should be; and is watched."""

import asyncio
import time
from datetime import datetime, timedelta

import structlog
from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.standing.expected import OWN, Finding, by_kind, compared
from responder.store import Store, Transaction
from responder.store.rows import insert_new
from responder.store.watching import findings, heartbeats
from responder.verbs.telling import tell

log = structlog.get_logger(__name__)

NAME = "auditor"
TEMPORAL = "watch of temporal"
EVERY = timedelta(minutes=1)
# So old a heartbeat is no heartbeat: who watches says so.
DEAD = timedelta(minutes=3)
# Who is watched: how people know it, and what they are told when it has not looked.
_WATCHED = {
    NAME: (
        "The auditor",
        (
            "Clocks, leases and messages go on, and nobody compares them with what should be.\n"
            "`responder serve` runs it; is it running?"
        ),
    ),
    TEMPORAL: (
        "The watch for strangers in Temporal",
        (
            "Whatever is forged there still has no effect, and nobody is told of it meanwhile.\n"
            "`responder serve` runs it; is it running, and does Temporal answer?"
        ),
    ),
}
_NAMED = 10  # findings that one message names


class Auditor:
    """Looks beside everything else in `serve`; what it finds is kept, and told loudly once."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def run(self) -> None:
        """Compare every minute until cancelled; a round that fails is logged, and its heartbeat missing."""
        while True:
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - it must outlive any one fault
                log.error("audit_round_failed", error=f"{type(error).__name__}: {error}"[:300])
            await asyncio.sleep(EVERY.total_seconds())

    async def once(self) -> list[Finding]:
        """One round; returns what it found that was not known."""
        now, began = self._store.now(), time.perf_counter()
        async with self._store.reading() as tx:
            found = await compared(tx, now)
        took = time.perf_counter() - began
        async with self._store.transaction() as tx:
            fresh = await self._keep(tx, found, now)
            for kind, some in by_kind(fresh):
                await self._tell(tx, kind, some, now)
            said = f"{len(found)} found, {len(fresh)} of them new"
            await beat(tx, NAME, now, took, said)
        return fresh

    async def _keep(self, tx: Transaction, found: list[Finding], now: datetime) -> list[Finding]:
        """Write down what is found and what is no longer; returns what is new."""
        there = findings.c.gone.is_(None)
        known = set((await tx.execute(select(findings.c.key).where(there))).scalars())
        keys = {one.key for one in found}
        if still := known & keys:
            seen = update(findings).where(findings.c.key.in_(still)).values(seen=now)
            await tx.execute(seen)
        if over := known - keys:
            await tx.execute(update(findings).where(findings.c.key.in_(over)).values(gone=now))
        fresh = []
        for one in found:
            if one.key in known:
                continue
            row = one.model_dump() | {"found": now, "seen": now}
            if await insert_new(tx, findings, row):
                fresh.append(one)
            else:  # it was there once, and told: it is kept as found again, and not told again
                again = update(findings).where(findings.c.key == one.key)
                await tx.execute(again.values(seen=now, gone=None))
        return fresh

    async def _tell(self, tx: Transaction, kind: str, some: list[Finding], now: datetime) -> None:
        entries = [
            Entry(
                kind="finding",
                actor=NAME,
                subject=one.key[:400],
                incident=one.incident,
                data={"kind": one.kind, "said": one.subject},
            )
            for one in some
        ]
        await append(tx, now, *entries)
        incidents = {one.incident for one in some}
        more = [f"and {len(some) - _NAMED} more"] if len(some) > _NAMED else []
        await tell(
            tx,
            now,
            key=f"{OWN}{now.isoformat()}/{some[0].key}",
            audience="escalation",
            incident=incidents.pop() if len(incidents) == 1 else None,
            loud=True,
            subject=f"The auditor found {kind}" + (f", {len(some)} times" if len(some) > 1 else ""),
            body="\n".join(
                [*(one.subject for one in some[:_NAMED]), *more, "", "    responder doctor"]
            ),
        )


async def beat(tx: Transaction, name: str, now: datetime, took: float, said: str) -> None:
    """Write down that *name* has just done its round, in so many seconds."""
    values = {"at": now, "took": took, "said": said}
    if not await insert_new(tx, heartbeats, {"name": name, **values}):
        await tx.execute(update(heartbeats).where(heartbeats.c.name == name).values(values))


async def age(store: Store, name: str = NAME) -> timedelta | None:
    """How long ago *name* did its last round; None if it never did."""
    async with store.reading() as tx:
        query = select(heartbeats.c.at).where(heartbeats.c.name == name)
        at = (await tx.execute(query)).scalar_one_or_none()
    return None if at is None else store.now() - at


class Watch:
    """Watches those who watch, from another process than their own: a worker's."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._since = store.now()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await asyncio.sleep(EVERY.total_seconds())
            try:
                await self.once()
            except Exception as error:  # noqa: BLE001 - it must outlive any one fault
                log.error("watch_failed", error=f"{type(error).__name__}: {error}"[:300])

    async def once(self) -> list[str]:
        """Look at the heartbeats; returns the names of those that it told, by this call, to be dead."""
        now = self._store.now()
        async with self._store.transaction() as tx:
            query = select(heartbeats.c.name, heartbeats.c.at)
            last = {row.name: row.at for row in await tx.execute(query)}
            await beat(tx, "watch", now, 0.0, "")
            # A worker that has just started gives everybody as long as any other.
            since = {name: max(last.get(name, self._since), self._since) for name in _WATCHED}
            dead = [name for name, at in since.items() if now - at > DEAD]
            return [name for name in dead if await self._tell(tx, name, since[name], now)]

    async def _tell(self, tx: Transaction, name: str, since: datetime, now: datetime) -> bool:
        who, then = _WATCHED[name]
        fresh = await tell(
            tx,
            now,
            key=f"{OWN}{name}/{since.isoformat()}",
            audience="escalation",
            loud=True,
            subject=f"{who} has not looked since {since:%Y-%m-%d %H:%M:%S} UTC",
            body=f"{then}\n\n    responder doctor",
        )
        if fresh:
            entry = Entry(
                kind=f"{name} dead", actor="watch", subject=name, data={"since": since.isoformat()}
            )
            await append(tx, now, entry)
        return fresh
