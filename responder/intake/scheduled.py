"""
Incidents that we open ourselves: by plan, or because a person asks for it.

They go the way of every alert, so that clocks, approvals and audit apply; only triage is not asked
what they mean. Each occasion opens an incident of its own and once: one that is still open from the
last month does not take the next one in.
"""

import hashlib
from datetime import datetime, timedelta

from sqlalchemy import select

from responder.audit import append
from responder.errors import Refused
from responder.incident import Alert, Category, Frozen, Name, Priority, Severity
from responder.intake.opening import Openings, Taken
from responder.policy.judge import Policy
from responder.rotation import Schedule
from responder.store import Store, Transaction
from responder.store.rows import insert_new
from responder.store.tables import deliveries
from responder.triage import Assessment, Triage
from responder.verbs.context import Kinds, verb
from responder.workflows.scheduled import Occasion, Opened

SOURCE = "schedule"
CATCH_UP = timedelta(days=7)  # how late an occasion may come, after a time without Temporal or us
_EARLY = timedelta(minutes=1)  # that clocks may differ


class Planned(Frozen):
    """An incident to open: why, and about what."""

    id: Name
    title: str
    category: Category
    subject: Name
    what: tuple[Name, ...]
    at: datetime
    asked_by: Name | None = None  # the person; nobody where the settings plan it


async def open_planned(
    tx: Transaction, openings: Openings, planned: Planned, now: datetime
) -> Taken:
    """Open *planned*, once; the caller appends the entries of what came of it to the audit."""
    said = planned.model_dump_json(exclude={"at"}).encode()
    row = {
        "source": SOURCE,
        "delivery": planned.id,
        "digest": hashlib.sha256(said).hexdigest(),
        "received": now,
        "body": b"",  # nobody sent it: all there is to know is in the alert
        "state": "drained",
        "attempts": 0,
        "said": "",
    }
    if not await insert_new(tx, deliveries, row):
        return Taken()
    query = select(deliveries.c.id).where(
        deliveries.c.source == SOURCE, deliveries.c.delivery == planned.id
    )
    delivery = row | {"id": (await tx.execute(query)).scalar_one()}
    alert = Alert(
        id=planned.id,
        source=planned.asked_by or SOURCE,
        title=planned.title,
        rule=planned.category,
        severity=Severity.LOW,
        occurred=planned.at,
        category=planned.category,
        accounts=planned.what,
    )
    assessment = Assessment(
        priority=Priority.P4, category=planned.category, subject=planned.subject
    )
    return await openings.take(
        tx, delivery, alert, now, SOURCE, assessment, asked_by=planned.asked_by
    )


class Occasions:
    """The activity that a schedule's workflow calls."""

    def __init__(
        self, store: Store, kinds: Kinds, policy: Policy, schedules: tuple[Schedule, ...]
    ) -> None:
        self._store = store
        self._openings = Openings(Triage(), kinds, policy)
        self._schedules = {one.name: one for one in schedules}

    @verb("open_scheduled")
    async def open_scheduled(self, occasion: Occasion) -> Opened:
        """
        Open the incident of an occasion, if the settings say that something is due then.

        Whoever reaches Temporal can start this: what it is about comes from the settings, and a
        moment at which nothing is due, or long ago, opens nothing.
        """
        schedule, due, now = self._schedules.get(occasion.schedule), occasion.due, self._store.now()
        if schedule is None:
            raise _not_due(f"{occasion.schedule}: the settings have no such schedule")
        if due is None or not schedule.due.fits(due):
            raise _not_due(
                f"{schedule.name}: expected a moment of `{schedule.cron}` in {schedule.time_zone}, "
                f"found {due:%Y-%m-%d %H:%M:%S} UTC"
                if due
                else f"{schedule.name}: no moment was given"
            )
        if not now - CATCH_UP <= due <= now + _EARLY:
            raise _not_due(
                f"{schedule.name}: {due:%Y-%m-%d %H:%M} UTC is not within the last {CATCH_UP.days} days"
            )
        planned = Planned(
            id=f"{schedule.name}/{due:%Y-%m-%dT%H:%MZ}",
            title=schedule.title or f"{schedule.category.replace('_', ' ')} by plan",
            category=schedule.category,
            subject=f"{schedule.name} {due:%Y-%m-%d %H:%M}",
            what=schedule.what,
            at=due,
        )
        async with self._store.transaction() as tx:
            taken = await open_planned(tx, self._openings, planned, now)
            if taken.entries:
                await append(tx, now, *taken.entries)
        return Opened(incident=taken.incident)


def _not_due(said: str) -> Refused:
    return Refused(f"{said}; nothing was opened")
