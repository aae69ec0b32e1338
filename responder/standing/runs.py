"""Opening a run: which playbook answers, on which indicators, and only once for each."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, select, update

from responder.audit import Entry, append
from responder.incident import Incident, Indicators, Priority
from responder.store.database import Transaction
from responder.store.tables import clocks, incidents, runs
from responder.verbs.context import Kinds, code_of
from responder.verbs.telling import tell
from responder.workflows.playbook import Playbook
from responder.workflows.wire import RunStart

# New indicators that arrive within this time of the last run's start share the next run.
COALESCE = timedelta(seconds=5)


def answering(kinds: Kinds, category: str, priority: Priority) -> type[Playbook] | None:
    """The playbook for this category and priority, if there is one."""
    for playbook in kinds.playbooks.values():
        if playbook.answers == category and priority in playbook.priorities:
            return playbook
    return None


async def open_run(
    tx: Transaction, kinds: Kinds, incident: Mapping[str, Any], now: datetime
) -> datetime | None:
    """
    Open the next run if the incident has indicators that no run has answered yet.

    The first run is opened with whatever there is. Returns when to look again, if a run must wait
    so that a storm of alerts becomes few runs.
    """
    query = select(runs.c.indicators, runs.c.opened, runs.c.number).where(runs.c.incident == incident["id"])
    before = (await tx.execute(query.order_by(runs.c.number))).all()
    new = Indicators.model_validate(incident["indicators"])
    for run in before:
        new = new - Indicators.model_validate(run.indicators)
    if before and not new:
        return None
    if before and before[-1].opened + COALESCE > now:
        return before[-1].opened + COALESCE  # type: ignore[no-any-return]
    number = before[-1].number + 1 if before else 1
    priority = Priority(incident["priority"])
    playbook = answering(kinds, incident["category"], priority)
    if playbook is None:
        await tell(
            tx, now, key=f"unanswered/{incident['id']}", audience="escalation", incident=incident["id"],
            loud=True, subject=f"{priority} {incident['id']}: no playbook answers {incident['category']!r}",
            body="Its clocks run. A person must contain it.",
        )
        return None
    run_id = f"{incident['id']}/{playbook.answers.replace('_', '-')}/{number}"
    await tx.execute(
        insert(runs).values(
            id=run_id, incident=incident["id"], number=number, playbook=playbook.__name__,
            code=code_of(playbook), indicators=new.model_dump(mode="json"), state="open", opened=now, said="",
        )
    )
    if before:  # something new must be contained: the clock runs again, from now
        within = (
            await tx.execute(
                select(clocks.c.due, clocks.c.started).where(
                    clocks.c.incident == incident["id"], clocks.c.clock == "contain"
                )
            )
        ).one()
        await tx.execute(
            update(clocks)
            .where(clocks.c.incident == incident["id"], clocks.c.clock == "contain")
            .values(started=now, due=now + (within.due - within.started), met=None, struck=0.0,
                    breached=None, level=0)
        )
        await tx.execute(update(incidents).where(incidents.c.id == incident["id"]).values(contained=None))
    entry = Entry(
        kind="run", actor="runner", subject=run_id, incident=incident["id"],
        data={"playbook": playbook.__name__, "indicators": new.model_dump(mode="json")},
    )
    await append(tx, now, entry)
    return None


async def open_runs(tx: Transaction, incident: Mapping[str, Any]) -> tuple[RunStart, ...]:
    """Every run that should be going on."""
    query = select(runs).where(runs.c.incident == incident["id"], runs.c.closed.is_(None))
    rows = (await tx.execute(query.order_by(runs.c.number))).mappings().all()
    return tuple(
        RunStart(
            id=row["id"],
            playbook=row["playbook"],
            summary=f"{incident['priority']} {incident['category'].replace('_', ' ')}: {incident['subject']}",
            incident=Incident(
                id=incident["id"],
                title=incident["title"],
                priority=Priority(incident["priority"]),
                category=incident["category"],
                subject=incident["subject"],
                began=incident["began"],
                opened=incident["opened"],
                indicators=Indicators.model_validate(row["indicators"]),
            ),
        )
        for row in rows
    )


async def count_runs(tx: Transaction, incident: str) -> int:
    """How many runs the incident has had."""
    query = select(func.count()).select_from(runs).where(runs.c.incident == incident)
    return int((await tx.execute(query)).scalar_one())
