"""Making workflows look: soon after something changed, again if nobody did, anew if they cannot."""

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy import or_, select

from responder.audit import Entry
from responder.policy.judge import Policy
from responder.standing.stand import stand
from responder.store import Store
from responder.store.paging import pages
from responder.store.tables import asks, clocks, incidents, runs, steps
from responder.temporal import Link
from responder.verbs.asking import bump
from responder.verbs.context import Kinds
from responder.verbs.telling import tell_audited

log = structlog.get_logger(__name__)

EVERY = timedelta(milliseconds=250)
_ONCE_A_SECOND = timedelta(seconds=1)
_NUDGE_AGAIN = timedelta(seconds=10)
_STUCK = timedelta(seconds=90)
_BEING_STARTED = timedelta(seconds=2)
_OVERDUE = timedelta(seconds=2)
_UNHEARD = timedelta(seconds=30)


class Nudger:
    """
    Makes workflows look soon after something about them changed: at most once a second each.

    It also strikes a clock that is due and that no workflow has struck, so that a breach is said
    in time whatever has become of Temporal.
    """

    def __init__(self, store: Store, link: Link, kinds: Kinds, policy: Policy) -> None:
        self._store = store
        self._link = link
        self._kinds = kinds
        self._policy = policy
        self._told: dict[str, tuple[int, datetime]] = {}
        self._fresh: dict[str, tuple[int, datetime]] = {}
        self._waiting: dict[str, datetime] = {}
        self._behind: dict[str, tuple[int, datetime]] = {}

    async def run(self) -> None:
        """Nudge until cancelled."""
        while True:
            try:
                await self.strike()
                await self.once()
            except Exception as error:  # noqa: BLE001 - Temporal may be away for a while
                log.debug("nudge_failed", error=f"{type(error).__name__}: {error}"[:300])
                await asyncio.sleep(1)
            await asyncio.sleep(EVERY.total_seconds())

    async def strike(self) -> int:
        """Look at every incident for which something is overdue; returns at how many."""
        now = self._store.now()
        async with self._store.reading() as tx:
            # A closed incident may owe a report yet, so it is looked at for what is due as well.
            query = select(incidents.c.id).where(incidents.c.next_strike < now - _OVERDUE)
            query = query.order_by(incidents.c.next_strike)
            late = list((await tx.execute(query.limit(100))).scalars())
            query = (
                select(clocks.c.incident)
                .join(incidents, incidents.c.id == clocks.c.incident)
                .where(
                    incidents.c.closed.is_(None),
                    incidents.c.next_strike.is_(None),
                    clocks.c.met.is_(None),
                    clocks.c.breached.is_(None),
                    clocks.c.due < now - _OVERDUE,
                )
                .distinct()
            )
            late += (await tx.execute(query.limit(100))).scalars()
        for incident in late:
            try:
                await self._look(incident, now)
            except Exception as error:  # noqa: BLE001 - one incident must not stop the others' clocks
                log.error(
                    "look_failed", incident=incident, error=f"{type(error).__name__}: {error}"
                )
        return len(late)

    async def _look(self, incident: str, now: datetime) -> None:
        async with self._store.transaction() as tx:
            standing = await stand(tx, self._kinds, self._policy, incident, now)
            if standing is not None and not standing.closed:
                await bump(tx, incident)

    async def once(self) -> int:
        """One round; returns how many workflows were told."""
        now = self._store.now()
        async with self._store.reading() as tx:
            behind = (
                await tx.execute(
                    select(incidents.c.id, incidents.c.revision)
                    .where(
                        incidents.c.revision > incidents.c.seen_revision,
                        # What was opened just now is being started by the drain that opened it.
                        or_(
                            incidents.c.seen_revision > 0, incidents.c.opened < now - _BEING_STARTED
                        ),
                    )
                    .limit(500)
                )
            ).all()
            decided = (
                await tx.execute(
                    select(asks.c.run, asks.c.id)
                    .join(steps, steps.c.key == asks.c.step)
                    .join(runs, runs.c.id == asks.c.run)
                    .where(
                        asks.c.state != "open", steps.c.state == "asked", runs.c.closed.is_(None)
                    )
                )
            ).all()
            answered = (
                await tx.execute(
                    select(pages.c.run, pages.c.id)
                    .join(runs, runs.c.id == pages.c.run)
                    .where(
                        pages.c.acknowledged.is_not(None),
                        pages.c.heard.is_(False),
                        runs.c.closed.is_(None),
                    )
                )
            ).all()
        await self._complain([(row.id, row.revision) for row in behind], now)
        for row in decided:
            await self._unheard(row.run, now)
        # A page that its playbook no longer waits for is no reason to end the run.
        decided = [*decided, *answered]
        due = [(row.id, row.revision) for row in behind if self._due(row.id, row.revision, now)]
        due += [(row.run, 0) for row in decided if self._due(row.run, 0, now)]
        for name, revision in due:
            self._told[name] = (revision, now)
            if "/" in name:
                await self._link.tell(name)
            else:
                await self._link.start_or_tell(name)
        waiting = {row.run for row in decided}
        current = waiting | {row.id for row in behind}
        self._fresh = {name: held for name, held in self._fresh.items() if name in current}
        self._waiting = {run: at for run, at in self._waiting.items() if run in waiting}
        self._told = {k: v for k, v in self._told.items() if v[1] > now - timedelta(minutes=5)}
        return len(due)

    async def _unheard(self, run: str, now: datetime) -> None:
        """A run that does not pick up its decision is ended: its incident starts it again."""
        since = self._waiting.setdefault(run, now)
        if now - since < _UNHEARD:
            return
        del self._waiting[run]
        log.warning("run_does_not_hear", run=run, doing="ending it, so that it is started again")
        await self._link.end(run, "it does not pick up its decision")

    def _due(self, name: str, revision: int, now: datetime) -> bool:
        """Whether it is time: the change is a round old, in case its workflow looks by itself."""
        newest, since = self._fresh.get(name, (-1, now))
        self._fresh[name] = (revision, since)
        if newest != revision and now - since < _ONCE_A_SECOND:
            return False
        told, at = self._told.get(name, (-1, now - _NUDGE_AGAIN))
        return now - at >= (_ONCE_A_SECOND if told != revision else _NUDGE_AGAIN)

    async def _complain(self, behind: list[tuple[str, int]], now: datetime) -> None:
        """An incident whose workflow has not looked for long is stuck, and people hear of it."""
        self._behind = {name: self._behind.get(name, (rev, now)) for name, rev in behind}
        for name, (_, since) in self._behind.items():
            if now - since < _STUCK:
                continue
            async with self._store.transaction() as tx:
                fresh = await tell_audited(
                    tx,
                    now,
                    Entry(kind="stuck", actor="nudger", subject=name, incident=name),
                    key=f"stuck/{name}/{since:%Y%m%d%H%M}",
                    audience="escalation",
                    loud=True,
                    subject=f"{name}: its workflow does not move",
                    body="No worker has looked at it for more than a minute. Its clocks go on in the "
                    "store; what is contained stays leased.\n\n    responder doctor",
                )
            if fresh:  # what is wrong may be in its history: a new one looks at the store
                await self._link.renew(name, "it does not look at the store")
