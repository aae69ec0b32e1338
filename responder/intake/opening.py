"""One alert: dismissed, joined to an open incident, or opening one."""

from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from responder.audit import Entry
from responder.incident import Alert, Frozen, Indicators, Priority
from responder.policy.judge import Policy
from responder.standing.clocks import first_strike, start_clocks
from responder.standing.prioritising import reprioritise
from responder.standing.runs import answering, run_start, start_run
from responder.standing.stand import UNANSWERED, standing_of
from responder.store import Transaction
from responder.store.rows import Row, insert_new, next_number
from responder.store.tables import alerts, incidents
from responder.triage import Assessment, Triage, assess
from responder.verbs.context import Kinds
from responder.verbs.telling import tell
from responder.workflows.wire import RunStart, Standing


class Taken(Frozen):
    """What came of an alert: the incident it opened, if it did, and what the audit should say."""

    incident: str | None = None
    standing: Standing | None = None
    entries: tuple[Entry, ...] = ()


class Openings:
    """What triage, the playbooks and the policy make of an alert."""

    def __init__(self, triage: Triage, kinds: Kinds, policy: Policy) -> None:
        self._triage = triage
        self._kinds = kinds
        self._policy = policy

    async def take(
        self,
        tx: Transaction,
        delivery: Row,
        alert: Alert,
        now: datetime,
        kind: str,
        assessment: Assessment | None = None,
        asked_by: str | None = None,
    ) -> Taken:
        """
        Write down *alert* and what follows from it; the caller appends the entries to the audit.

        What it means is triage's to say, or *assessment*'s where we opened it ourselves. *asked_by*
        is the person who did, if one did: nothing that a sender says makes it anybody's.
        """
        key = f"{alert.source}:{alert.id}"
        row = {
            "id": key,
            "delivery_id": delivery["id"],
            "source": alert.source,
            "occurred": alert.occurred,
            "received": delivery["received"],
            "facts": alert.model_dump(mode="json"),
            "state": "waiting",
            "said": "",
        }
        if not await insert_new(tx, alerts, row):
            return Taken()
        await next_number(tx, "alerts")
        assessment = assessment or assess(alert, self._triage, kind)
        if assessment.dismissed is not None:
            await _mark(tx, key, "dismissed", None, assessment.dismissed)
            entry = Entry(
                kind="dismissed",
                actor=alert.source,
                subject=key,
                data={"why": assessment.dismissed},
            )
            return Taken(entries=(entry,))
        open_key = f"{assessment.category}|{assessment.subject}"
        query = select(incidents).where(incidents.c.open_key == open_key).with_for_update()
        incident = (await tx.execute(query)).mappings().one_or_none()
        taken = Taken()
        if incident is None:
            at = delivery["received"]
            taken = await self._open(tx, alert, assessment, open_key, at, now, asked_by)
            number = taken.incident
        else:
            number = incident["id"]
            await self._join(tx, incident, alert, assessment, now, asked_by)
        await _mark(tx, key, "merged" if incident is not None else "started", number)
        entry = Entry(
            kind="received",
            actor=alert.source,
            subject=key,
            incident=number,
            data={
                "title": alert.title,
                "severity": alert.severity,
                "joined": incident is not None,
                **({} if asked_by is None else {"asked_by": asked_by}),
            },
        )
        return Taken(
            incident=taken.incident, standing=taken.standing, entries=(entry, *taken.entries)
        )

    async def _open(
        self,
        tx: Transaction,
        alert: Alert,
        assessment: Assessment,
        open_key: str,
        at: datetime,
        now: datetime,
        asked_by: str | None,
    ) -> Taken:
        """
        A new incident with its clocks and its first run, and where it stands.

        What `stand` would find is known here without reading it back: half the statements, on the
        way that decides how soon an attacker is blocked.
        """
        number = await next_number(tx, f"incidents-{at:%Y}")
        incident = f"INC-{at:%Y}-{number:04d}"
        row = {
            "id": incident,
            "open_key": open_key,
            "title": alert.title,
            "priority": assessment.priority,
            "category": assessment.category,
            "subject": assessment.subject,
            "began": alert.occurred,
            "opened": at,
            "indicators": alert.indicators.model_dump(mode="json"),
            "revision": 1,
            "seen_revision": 0,
            "status": "responding",
            "breached": False,
            "unanswered": None,
            "asked_by": None if asked_by is None else [asked_by],
        }
        playbook = answering(self._kinds, assessment.category, assessment.priority)
        within = playbook.contain_within if playbook else None
        targets = self._policy.sla[assessment.priority]
        upcoming = first_strike(targets, at, within)
        chain = {"chain": list(targets.escalates_to), "next_strike": upcoming.at}
        await insert_new(tx, incidents, row | chain)
        await start_clocks(tx, incident, targets, at, within)
        await tell(
            tx,
            at,
            key=f"opened/{incident}",
            audience="security",
            incident=incident,
            loud=assessment.priority is Priority.P1,
            subject=f"{assessment.priority} {incident}: {alert.title}",
            body=f"{assessment.category.replace('_', ' ')} about {assessment.subject}, said by "
            f"{alert.source}\n\nTake it: responder incidents ack {incident}",
        )
        opened = await start_run(tx, self._kinds, row, alert.indicators, 1, now)
        runs: tuple[RunStart, ...] = ()
        if playbook is not None and opened.run is not None:
            runs = (run_start(row, opened.run, playbook.__name__, alert.indicators),)
        standing = standing_of(
            row | {"closed": None},
            "responding" if runs else UNANSWERED,
            due=at + min(targets.acknowledge, targets.contain, within or targets.contain),
            runs=runs,
            upcoming=upcoming,
            text=f"# {assessment.priority} · {incident}\n\n**responding** · {upcoming.summary}",
        )
        entries = () if opened.entry is None else (opened.entry,)
        return Taken(incident=incident, standing=standing, entries=entries)

    async def _join(
        self,
        tx: Transaction,
        incident: Row,
        alert: Alert,
        assessment: Assessment,
        now: datetime,
        asked_by: str | None,
    ) -> None:
        """More about an open incident; what is new in it reaches its workflow by the nudger."""
        known = Indicators.model_validate(incident["indicators"])
        values: dict[str, Any] = {
            "indicators": (known | alert.indicators).model_dump(mode="json"),
            "revision": incidents.c.revision + 1,
            "began": min(incident["began"], alert.occurred),
        }
        if asked_by is not None:
            names = (*(incident["asked_by"] or ()), asked_by)
            values["asked_by"] = list(dict.fromkeys(names))
        await tx.execute(update(incidents).where(incidents.c.id == incident["id"]).values(values))
        if assessment.priority.rank < Priority(incident["priority"]).rank:
            # A storm pages once; what is worse than was known pages again, whoever has it.
            playbook = answering(self._kinds, incident["category"], assessment.priority)
            await reprioritise(
                tx,
                incident,
                self._policy.sla[assessment.priority],
                assessment.priority,
                alert.source,
                alert.title,
                now,
                contain_within=playbook.contain_within if playbook else None,
            )


async def _mark(
    tx: Transaction, key: str, state: str, incident: str | None, said: str = ""
) -> None:
    values = {"state": state, "incident": incident, "said": said}
    await tx.execute(update(alerts).where(alerts.c.id == key).values(values))
