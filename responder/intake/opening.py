"""One alert: dismissed, joined to an open incident, or opening one."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.incident import Alert, Indicators, Priority
from responder.policy.judge import Policy
from responder.policy.sla import Clock
from responder.standing.clocks import start_clocks
from responder.standing.runs import answering
from responder.store import Transaction
from responder.store.rows import insert_new, next_number
from responder.store.tables import alerts, clocks, incidents
from responder.triage import Assessment, Triage, assess
from responder.verbs.context import Kinds
from responder.verbs.telling import tell


class Openings:
    """What triage, the playbooks and the policy make of an alert."""

    def __init__(self, triage: Triage, kinds: Kinds, policy: Policy) -> None:
        self._triage = triage
        self._kinds = kinds
        self._policy = policy

    async def take(
        self,
        tx: Transaction,
        delivery: Mapping[str, Any],
        alert: Alert,
        now: datetime,
        opened: dict[str, str],
        kind: str,
    ) -> None:
        """Write down *alert* and what follows from it; a new incident's number goes into *opened*."""
        key = f"{alert.source}:{alert.id}"
        row = {
            "id": key, "delivery_id": delivery["id"], "source": alert.source,
            "occurred": alert.occurred, "received": delivery["received"],
            "facts": alert.model_dump(mode="json"), "state": "waiting", "said": "",
        }
        if not await insert_new(tx, alerts, row):
            return
        await next_number(tx, "alerts")
        assessment = assess(alert, self._triage, kind)
        if assessment.dismissed is not None:
            await _mark(tx, key, "dismissed", None, assessment.dismissed)
            entry = Entry(
                kind="dismissed", actor=alert.source, subject=key, data={"why": assessment.dismissed}
            )
            await append(tx, now, entry)
            return
        open_key = f"{assessment.category}|{assessment.subject}"
        query = select(incidents).where(incidents.c.open_key == open_key).with_for_update()
        incident = (await tx.execute(query)).mappings().one_or_none()
        if incident is None:
            number = await self._open(tx, alert, assessment, open_key, delivery["received"])
            opened[number] = (
                f"{assessment.priority} {assessment.category.replace('_', ' ')}: {assessment.subject}"
            )
            await _mark(tx, key, "started", number)
        else:
            number = incident["id"]
            await self._join(tx, incident, alert, assessment)
            await _mark(tx, key, "merged", number)
        entry = Entry(
            kind="received", actor=alert.source, subject=key, incident=number,
            data={"title": alert.title, "severity": alert.severity, "joined": incident is not None},
        )
        await append(tx, now, entry)

    async def _open(
        self, tx: Transaction, alert: Alert, assessment: Assessment, open_key: str, at: datetime
    ) -> str:
        number = await next_number(tx, f"incidents-{at:%Y}")
        incident = f"INC-{at:%Y}-{number:04d}"
        row = {
            "id": incident, "open_key": open_key, "title": alert.title,
            "priority": assessment.priority, "category": assessment.category,
            "subject": assessment.subject, "began": alert.occurred, "opened": at,
            "indicators": alert.indicators.model_dump(mode="json"), "revision": 1,
            "seen_revision": 0, "status": "responding", "breached": False,
        }
        await insert_new(tx, incidents, row)
        playbook = answering(self._kinds, assessment.category, assessment.priority)
        within = playbook.contain_within if playbook else None
        await start_clocks(tx, incident, self._policy.sla[assessment.priority], at, within)
        await tell(
            tx, at, key=f"opened/{incident}", audience="security", incident=incident,
            loud=assessment.priority is Priority.P1,
            subject=f"{assessment.priority} {incident}: {alert.title}",
            body=f"{assessment.category.replace('_', ' ')} about {assessment.subject}, said by "
            f"{alert.source}\n\nTake it: responder incidents ack {incident}",
        )
        return incident

    async def _join(
        self, tx: Transaction, incident: Mapping[str, Any], alert: Alert, assessment: Assessment
    ) -> None:
        """More about an open incident; what is new in it reaches its workflow by the nudger."""
        known = Indicators.model_validate(incident["indicators"])
        values: dict[str, Any] = {
            "indicators": (known | alert.indicators).model_dump(mode="json"),
            "revision": incidents.c.revision + 1,
            "began": min(incident["began"], alert.occurred),
        }
        if assessment.priority.rank < Priority(incident["priority"]).rank:
            values["priority"] = assessment.priority
            await self._hurry(tx, incident["id"], assessment.priority)
        await tx.execute(update(incidents).where(incidents.c.id == incident["id"]).values(values))

    async def _hurry(self, tx: Transaction, incident: str, priority: Priority) -> None:
        """Plan the running clocks again for a higher priority; none is ever given more time."""
        targets = self._policy.sla[priority]
        query = select(clocks).where(clocks.c.incident == incident, clocks.c.met.is_(None))
        for row in (await tx.execute(query)).mappings().all():
            due = min(row["due"], row["started"] + targets.within(Clock(row["clock"])))
            this = (clocks.c.incident == incident, clocks.c.clock == row["clock"])
            await tx.execute(update(clocks).where(*this).values(due=due, struck=0.0))


async def _mark(
    tx: Transaction, key: str, state: str, incident: str | None, said: str = ""
) -> None:
    values = {"state": state, "incident": incident, "said": said}
    await tx.execute(update(alerts).where(alerts.c.id == key).values(values))
