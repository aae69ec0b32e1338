"""Opening a run: which playbook answers, on which indicators, and only once for each."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import insert, select, update

from responder.audit import Entry, append
from responder.incident import Frozen, Incident, Indicators, Priority
from responder.policy.sla import Targets
from responder.standing.timing import afresh, within_of
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import clocks, incidents, runs
from responder.verbs.context import Kinds, code_of
from responder.verbs.telling import tell
from responder.workflows.playbook import Playbook
from responder.workflows.wire import RunStart

# New indicators that arrive within this time of the last run's start share the next run.
COALESCE = timedelta(seconds=5)


class Opened(Frozen):
    """What came of opening a run: its row's values and what the audit should say, or when to look again."""

    run: str | None = None
    entry: Entry | None = None
    again: datetime | None = None


def answering(kinds: Kinds, category: str, priority: Priority) -> type[Playbook] | None:
    """The playbook for this category and priority, if there is one."""
    for playbook in kinds.playbooks.values():
        if playbook.answers == category and priority in playbook.priorities:
            return playbook
    return None


async def open_run(
    tx: Transaction,
    kinds: Kinds,
    targets: Targets,
    incident: Row,
    before: Sequence[Row],
    now: datetime,
) -> Opened:
    """
    Open the next run if the incident has indicators that none of the runs *before* has answered.

    The first run is opened with whatever there is. A run that comes soon after another waits, so
    that a storm of alerts becomes few runs.
    """
    new = Indicators.model_validate(incident["indicators"])
    for run in before:
        new = new - Indicators.model_validate(run["indicators"])
    if before and not new:
        return Opened()
    if before and before[-1]["opened"] + COALESCE > now:
        return Opened(again=before[-1]["opened"] + COALESCE)
    opened = await start_run(
        tx, kinds, incident, new, before[-1]["number"] + 1 if before else 1, now
    )
    if opened.entry is not None:
        await append(tx, now, opened.entry)
    if before and opened.run is not None:
        await _contain_again(tx, incident["id"], targets, now)
    return opened


async def start_run(
    tx: Transaction, kinds: Kinds, incident: Row, new: Indicators, number: int, now: datetime
) -> Opened:
    """Write down run *number* on *new*; the caller appends the entry to the audit."""
    priority = Priority(incident["priority"])
    playbook = answering(kinds, incident["category"], priority)
    if playbook is None:
        await tell(
            tx,
            now,
            key=f"unanswered/{incident['id']}",
            audience="escalation",
            incident=incident["id"],
            loud=True,
            subject=f"{priority} {incident['id']}: no playbook answers {incident['category']!r}",
            body="Its clocks run. A person must contain it.",
        )
        return Opened()
    run_id = f"{incident['id']}/{playbook.answers.replace('_', '-')}/{number}"
    indicators = new.model_dump(mode="json")
    await tx.execute(
        insert(runs).values(
            id=run_id,
            incident=incident["id"],
            number=number,
            playbook=playbook.__name__,
            code=code_of(playbook),
            indicators=indicators,
            state="open",
            opened=now,
            said="",
        )
    )
    entry = Entry(
        kind="run",
        actor="runner",
        subject=run_id,
        incident=incident["id"],
        data={"playbook": playbook.__name__, "indicators": indicators},
    )
    return Opened(run=run_id, entry=entry)


async def _contain_again(tx: Transaction, incident: str, targets: Targets, now: datetime) -> None:
    """Something new must be contained: the clock runs again, from now."""
    this = (clocks.c.incident == incident, clocks.c.clock == "contain")
    row = (await tx.execute(select(clocks).where(*this))).mappings().one()
    values = afresh(now, within_of(row), targets.hours)
    await tx.execute(update(clocks).where(*this).values(values))
    await tx.execute(update(incidents).where(incidents.c.id == incident).values(contained=None))


def run_starts(incident: Row, rows: Sequence[Row]) -> tuple[RunStart, ...]:
    """Every run that should be going on."""
    return tuple(
        run_start(
            incident, row["id"], row["playbook"], Indicators.model_validate(row["indicators"])
        )
        for row in rows
        if row["closed"] is None
    )


def run_start(incident: Row, run: str, playbook: str, indicators: Indicators) -> RunStart:
    """What a run's workflow is started with."""
    return RunStart(
        id=run,
        playbook=playbook,
        summary=f"{incident['priority']} {incident['category'].replace('_', ' ')}: {incident['subject']}",
        incident=Incident(
            id=incident["id"],
            title=incident["title"],
            priority=Priority(incident["priority"]),
            category=incident["category"],
            subject=incident["subject"],
            began=incident["began"],
            opened=incident["opened"],
            indicators=indicators,
        ),
    )
