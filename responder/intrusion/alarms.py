"""Telling people of what was done by a stranger: written down and said once, and never a flood."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from responder.audit import Entry, append
from responder.intrusion.histories import Finding, Trace
from responder.store import Store, Transaction
from responder.store.tables import audit, incidents, runs
from responder.verbs.telling import tell, tell_audited

# A stranger who starts ten thousand workflows must not bury the first alarms under the rest.
MOST_TOLD = 30
SPELL = timedelta(minutes=10)

_LEFT = {
    "start": "It is not ours: it finds no rows in the store, and without them it can do nothing",
    "signal": "It made a workflow look at the store, and no more",
    "update": "It was answered with a refusal",
    "reset": "Its steps are answered from the store, and nothing is done twice",
    "termination": "What the store holds open is started again",
    "changed": "What the store holds open is started again if it ended",
}
_NAMES = {
    "start": "a start",
    "signal": "a signal",
    "update": "an update",
    "reset": "a reset",
    "termination": "a termination",
    "changed": "a cancellation or change",
}


class Alarms:
    """What was found, compared with what the store knows and with what was said before."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._told: list[datetime] = []

    async def raise_for(self, trace: Trace, found: Sequence[Finding]) -> list[str]:
        """Write down and tell what is new of *found* in one run; returns what was said."""
        async with self._store.transaction() as tx:
            strange = [one for one in found if not await _caused_by_ours(tx, trace, one)]
            grouped: dict[str, list[Finding]] = defaultdict(list)
            for one in strange:
                grouped[one.what].append(one)
            said = []
            for what, some in grouped.items():
                before = await _last_told(tx, trace, what)
                if fresh := [one for one in some if one.event > before]:
                    said += await self._tell(tx, trace, fresh)
            return said

    async def _tell(self, tx: Transaction, trace: Trace, some: Sequence[Finding]) -> list[str]:
        first, last = some[0], some[-1]
        incident = await _incident_of(tx, trace.workflow_id)
        more = f" (and {len(some) - 1} more like it)" if len(some) > 1 else ""
        said = f"{first.said}{more}"
        entry = Entry(
            kind="forged",
            actor="watch of temporal",
            subject=trace.workflow_id[:400] or "-",
            incident=incident,
            data={
                "said": said,
                "what": first.what,
                "run": trace.run_id,
                "first": first.event,
                "last": last.event,
                "count": len(some),
                "happened": first.at.isoformat(),
            },
        )
        now = self._store.now()
        self._told = [at for at in self._told if now - at < SPELL]
        if len(self._told) >= MOST_TOLD:
            await self._only_write_down(tx, entry, now)
            return [f"{trace.workflow_id}: {said}"]
        fresh = await tell_audited(
            tx,
            now,
            entry,
            key=f"forged/{trace.run_id}/{first.what}/{first.event}",
            audience="security",
            loud=True,
            subject=f"{trace.workflow_id[:200]}: {_NAMES[first.what]} that was not ours",
            body=f"{said}. {_LEFT[first.what]}. Somebody can reach Temporal who should not.",
        )
        if not fresh:
            return []
        self._told.append(now)
        return [f"{trace.workflow_id}: {said}"]

    async def _only_write_down(self, tx: Transaction, entry: Entry, now: datetime) -> None:
        await append(tx, now, entry)
        await tell(
            tx,
            now,
            key=f"forged/more/{self._told[0].isoformat()}",
            audience="security",
            loud=True,
            subject=f"More than {MOST_TOLD} forged calls to Temporal in "
            f"{SPELL // timedelta(minutes=1)} minutes: the rest is in the audit only",
            body="Somebody reaches Temporal and goes on. Cut them off from it.\n\n    responder audit tail",
        )


async def _caused_by_ours(tx: Transaction, trace: Trace, one: Finding) -> bool:
    """Whether the server names a workflow of ours as the cause, and the store agrees."""
    if one.by is None:
        return False
    if one.what == "start":
        query = select(runs.c.id).where(runs.c.id == trace.workflow_id, runs.c.incident == one.by)
    else:
        query = select(incidents.c.id).where(incidents.c.id == one.by)
    if (await tx.execute(query)).first() is not None:
        return True
    # A playbook may start and signal workflows of its own.
    return (await tx.execute(select(runs.c.id).where(runs.c.id == one.by))).first() is not None


async def _last_told(tx: Transaction, trace: Trace, what: str) -> int:
    """The last event of this run and kind that people were told of; after a restart all is read anew."""
    query = (
        select(audit.c.data)
        .where(audit.c.kind == "forged", audit.c.subject == trace.workflow_id[:400])
        .order_by(audit.c.seq.desc())
        .limit(200)
    )
    told = (await tx.execute(query)).scalars().all()
    ours = [d for d in told if d.get("run") == trace.run_id and d.get("what") == what]
    return max((int(d["last"]) for d in ours), default=0)


async def _incident_of(tx: Transaction, workflow_id: str) -> str | None:
    found = await tx.execute(select(incidents.c.id).where(incidents.c.id == workflow_id))
    if (incident := found.scalar_one_or_none()) is not None:
        return str(incident)
    found = await tx.execute(select(runs.c.incident).where(runs.c.id == workflow_id))
    return found.scalar_one_or_none()
