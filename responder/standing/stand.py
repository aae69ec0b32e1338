"""One look at an incident: strike what is due, judge containment, and say what should go on."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from responder.audit import Entry, append
from responder.incident import Priority
from responder.plan import Outcome
from responder.policy.judge import Policy
from responder.policy.sla import Clock
from responder.standing.board import board
from responder.standing.clocks import Next, meet, strike
from responder.standing.runs import count_runs, open_run, open_runs
from responder.store.database import Transaction
from responder.store.tables import asks, clocks, holds, incidents, resources, runs, steps
from responder.verbs.context import Kinds
from responder.verbs.doing import expire
from responder.verbs.telling import tell
from responder.workflows.wire import Standing


async def stand(
    tx: Transaction, kinds: Kinds, policy: Policy, incident_id: str, now: datetime
) -> Standing | None:
    """Where the incident stands, after everything that was due has been done; None if unknown."""
    query = select(incidents).where(incidents.c.id == incident_id).with_for_update()
    incident = (await tx.execute(query)).mappings().one_or_none()
    if incident is None:
        return None
    if incident["closed"] is not None:
        await _seen(tx, incident, incident["status"])
        return _standing(incident, incident["status"], None, (), None, "", "")
    wait = await open_run(tx, kinds, incident, now)
    overdue = select(asks).where(
        asks.c.incident == incident_id, asks.c.state == "open", asks.c.expires <= now
    )
    for ask in (await tx.execute(overdue)).mappings().all():
        await expire(tx, ask, now)
    status = await _status(tx, incident, now)
    incident = (await tx.execute(query)).mappings().one()
    targets = policy.sla[Priority(incident["priority"])]
    upcoming = await strike(tx, incident, targets, now)
    incident = (await tx.execute(query)).mappings().one()
    if wait is not None and (upcoming is None or wait < upcoming.at):
        upcoming = Next(at=wait, summary="a run on the new indicators")
    await _seen(tx, incident, status)
    due = (
        await tx.execute(
            select(clocks.c.due)
            .where(clocks.c.incident == incident_id, clocks.c.met.is_(None))
            .order_by(clocks.c.due)
            .limit(1)
        )
    ).scalar_one_or_none()
    waiting = "approvers" if status == "waiting for approval" else ""
    text = await board(tx, incident, status, now)
    return _standing(
        incident, status, due, await open_runs(tx, incident), upcoming, waiting, text
    )


async def _seen(tx: Transaction, incident: Mapping[str, Any], status: str) -> None:
    await tx.execute(
        update(incidents)
        .where(incidents.c.id == incident["id"])
        .values(seen_revision=incident["revision"], status=status)
    )


async def _status(tx: Transaction, incident: Mapping[str, Any], now: datetime) -> str:
    """The incident's state in words, from rows alone; containment is judged here and nowhere else."""
    query = select(asks.c.id).where(asks.c.incident == incident["id"], asks.c.state == "open")
    if (await tx.execute(query.limit(1))).first() is not None:
        return "waiting for approval"
    held = (
        await tx.execute(
            select(resources.c.outcome, resources.c.name)
            .join(holds, holds.c.resource == resources.c.name)
            .where(holds.c.incident == incident["id"], holds.c.ended.is_(None), resources.c.state == "held")
        )
    ).all()
    good = [row for row in held if row.outcome == Outcome.VERIFIED]
    all_runs = (await tx.execute(select(runs).where(runs.c.incident == incident["id"]))).all()
    if not all_runs:
        return "unanswered"
    claims = all(run.contained is not None for run in all_runs)
    query = select(steps.c.key).join(runs, runs.c.id == steps.c.run)
    query = query.where(runs.c.incident == incident["id"], steps.c.state == "done", steps.c.said != "")
    refused = (await tx.execute(query.limit(1))).first() is not None
    if len(good) < len(held):
        pending = all(row.outcome == Outcome.PENDING for row in held if row.outcome != Outcome.VERIFIED)
        if pending:
            return "responding"
        await _say_partial(tx, incident, good, [row for row in held if row not in good], now)
        return "partly contained" if good else "NOT CONTAINED"
    if refused:
        return "partly contained" if good else "NOT CONTAINED"
    if claims:
        if incident["contained"] is None:
            await _contain(tx, incident, now)
        return "contained"
    if any(run.state == "failed" for run in all_runs):
        return "NOT CONTAINED"
    return "responding"


async def _contain(tx: Transaction, incident: Mapping[str, Any], now: datetime) -> None:
    await tx.execute(update(incidents).where(incidents.c.id == incident["id"]).values(contained=now))
    await meet(tx, incident["id"], Clock.CONTAIN, now)
    entry = Entry(
        kind="contained", actor="runner", subject=incident["id"], incident=incident["id"],
        data={"after_seconds": (now - incident["opened"]).total_seconds()},
    )
    await append(tx, now, entry)


async def _say_partial(
    tx: Transaction,
    incident: Mapping[str, Any],
    good: list[Any],
    bad: list[Any],
    now: datetime,
) -> None:
    names = ", ".join(sorted(f"{row.name} ({row.outcome})" for row in bad))
    await tell(
        tx, now, key=f"partial/{incident['id']}/{await count_runs(tx, incident['id'])}/{names}"[:390],
        audience="security", incident=incident["id"], loud=True,
        subject=f"{incident['priority']} {incident['id']}: "
        + ("only partly contained" if good else "NOT CONTAINED"),
        body=f"Not verified: {names}. These are tried again until they are, or the hold ends.",
    )


def _standing(
    incident: Mapping[str, Any],
    status: str,
    due: datetime | None,
    open_now: tuple[Any, ...],
    upcoming: Next | None,
    waiting: str,
    text: str,
) -> Standing:
    return Standing(
        revision=incident["revision"],
        priority=Priority(incident["priority"]).rank,
        status=status,
        category=incident["category"],
        subject=incident["subject"],
        waiting_for=waiting,
        sla_due=due,
        sla_breached=incident["breached"],
        closed=incident["closed"] is not None,
        runs=open_now,
        next_strike=None if upcoming is None else upcoming.at,
        next_strike_summary="" if upcoming is None else upcoming.summary,
        board=text,
    )
