"""What a person does to an incident's course: take it over, note, raise it, pause a clock, report it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.errors import Missing, Refused
from responder.incident import Priority
from responder.people.person import Person
from responder.policy.judge import Policy
from responder.policy.sla import Clock
from responder.standing.climbing import restart
from responder.standing.clocks import look_now, meet
from responder.standing.duties import Report, begin_duty, report_done
from responder.standing.pausing import pause, resume
from responder.standing.prioritising import reprioritise
from responder.standing.runs import answering
from responder.standing.updating import restart_updates, write_note
from responder.store import Store, Transaction
from responder.store.rows import Row
from responder.store.tables import incidents
from responder.verbs.asking import bump
from responder.verbs.context import Kinds
from responder.verbs.telling import tell


class Steering:
    """The incidents of one store, under one policy. Every method raises `Refused` in one line."""

    def __init__(self, store: Store, kinds: Kinds, policy: Policy) -> None:
        self._store = store
        self._kinds = kinds
        self._policy = policy

    async def take(self, incident: str, person: Person) -> str | None:
        """Make *person* the owner whoever was; returns who was. Acknowledges it, if nobody has."""
        async with self._changing(incident) as (tx, row, now):
            before: str | None = row["owner"]
            this = update(incidents).where(incidents.c.id == incident)
            values = {"owner": person.name, "acknowledged": now, "unanswered": None}
            await tx.execute(this.values(values))
            await meet(tx, incident, Clock.ACKNOWLEDGE, now)
            entry = Entry(
                kind="taken",
                actor=person.name,
                subject=incident,
                incident=incident,
                data={"from": before},
            )
            await append(tx, now, entry)
            if before is not None and before != person.name:
                await tell(
                    tx,
                    now,
                    key=f"taken/{incident}/{now.isoformat()}",
                    audience=before,
                    incident=incident,
                    subject=f"{row['priority']} {incident}: {person.name} has taken it over from you",
                    body=f"{row['title']}\n\n    responder incidents show {incident}",
                )
        return before

    async def note(self, incident: str, person: Person, text: str, *, is_update: bool) -> None:
        """Write a note that everybody sees; an update is owed anew from then on."""
        if not (text := text.strip()):
            raise Refused(f"{incident}: expected a note, found nothing to write down")
        async with self._changing(incident, closed=True) as (tx, row, now):
            await write_note(tx, incident, person.name, text, now, is_update=is_update)
            if is_update and row["closed"] is None:
                targets = self._policy.sla[Priority(row["priority"])]
                await restart_updates(tx, incident, targets, now)

    async def reprioritise(
        self, incident: str, person: Person, priority: Priority, reason: str
    ) -> None:
        """Give it another priority: clocks planned again, the new chain, everybody of it paged."""
        async with self._changing(incident) as (tx, row, now):
            if row["priority"] == priority:
                raise Refused(f"{incident} is {priority} already")
            playbook = answering(self._kinds, row["category"], priority)
            await reprioritise(
                tx,
                row,
                self._policy.sla[priority],
                priority,
                person.name,
                _reason(incident, reason),
                now,
                contain_within=playbook.contain_within if playbook else None,
            )

    async def adopt_chain(self, incident: str, person: Person) -> tuple[str, ...]:
        """
        Have the settings' chain, as it is now, in place of the one the incident was opened with.

        Raises `Refused` if they are the same: who is reached on each level is by the rosters anyway.
        """
        async with self._changing(incident) as (tx, row, now):
            chain = self._policy.sla[Priority(row["priority"])].escalates_to
            before = tuple(row["chain"] or ())
            if before == chain:
                raise Refused(f"{incident}: its chain is {' → '.join(chain)} already")
            this = update(incidents).where(incidents.c.id == incident)
            await tx.execute(this.values(chain=list(chain), next_strike=now))
            await restart(tx, incident, now)
            entry = Entry(
                kind="chain adopted",
                actor=person.name,
                subject=incident,
                incident=incident,
                data={"from": list(before), "to": list(chain)},
            )
            await append(tx, now, entry)
        return chain

    async def pause(
        self, incident: str, person: Person, clock: Clock, length: timedelta, reason: str
    ) -> datetime:
        """Let one clock stand still for *length*; returns when it goes on by itself."""
        if length <= timedelta(0):
            raise Refused(f"{incident}: expected some time to pause for, found {length}")
        async with self._changing(incident) as (tx, row, now):
            return await pause(
                tx,
                row,
                self._policy.sla[Priority(row["priority"])],
                clock,
                length=length,
                reason=_reason(incident, reason),
                by=person.name,
                now=now,
            )

    async def resume(self, incident: str, person: Person, clock: Clock) -> datetime:
        """Let a paused clock go on now; returns when it is due."""
        async with self._changing(incident) as (tx, row, now):
            targets = self._policy.sla[Priority(row["priority"])]
            return await resume(tx, row, targets, clock, by=person.name, now=now)

    async def begin_duty(
        self,
        incident: str,
        person: Person,
        regime: str,
        *,
        aware: datetime | None = None,
        classified: datetime | None = None,
    ) -> None:
        """Say since when we are aware of what *regime* has reported, or that it is classified."""
        async with self._changing(incident, closed=True) as (tx, _, now):
            await begin_duty(
                tx,
                self._policy.duties,
                incident,
                regime,
                person.name,
                now,
                aware=aware,
                classified=classified,
            )

    async def report(self, incident: str, person: Person, regime: str, report: Report) -> None:
        """Mark a stage of *regime* as reported."""
        if not report.reference.strip():
            raise Refused(f"{incident}: expected the reference under which it was reported")
        async with self._changing(incident, closed=True) as (tx, _, now):
            await report_done(tx, self._policy.duties, incident, regime, report, person.name, now)

    @asynccontextmanager
    async def _changing(
        self, incident: str, *, closed: bool = False
    ) -> AsyncIterator[tuple[Transaction, Row, datetime]]:
        """The incident's row, locked; when the change is made, the incident is looked at."""
        now = self._store.now()
        async with self._store.transaction() as tx:
            query = select(incidents).where(incidents.c.id == incident).with_for_update()
            row = (await tx.execute(query)).mappings().one_or_none()
            if row is None or (row["closed"] is not None and not closed):
                kind = "such" if closed else "such open"
                raise Missing(f"{incident}: there is no {kind} incident")
            yield tx, row, now
            await look_now(tx, incident, now)
            if row["closed"] is None:
                await bump(tx, incident)


def _reason(incident: str, reason: str) -> str:
    if not (reason := reason.strip()):
        raise Refused(f"{incident}: expected a reason; it is kept with the change")
    return reason
