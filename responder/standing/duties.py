"""Duties to report: begun by an explicit event, planned stage by stage, reminded of, and marked as done."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select, update

from responder.audit import Entry, append
from responder.errors import Refused
from responder.incident import Frozen
from responder.policy.duties import Regime, State, plan
from responder.policy.sla import REMINDERS
from responder.standing.brief import brief
from responder.standing.facts import Facts
from responder.standing.timing import Next, earliest
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.watching import duties
from responder.verbs.telling import tell

Regimes = Mapping[str, Regime]


class Report(Frozen):
    """A stage that was reported: when, now if it is not said, and by which name the authority knows it."""

    stage: str
    reference: str
    at: datetime | None = None


async def begin_duty(
    tx: Transaction,
    regimes: Regimes,
    incident: str,
    name: str,
    by: str,
    now: datetime,
    *,
    aware: datetime | None = None,
    classified: datetime | None = None,
) -> None:
    """
    Write down since when somebody is aware, or that it is classified; every stage is planned anew.

    Raises `Refused` for an unknown regime, for times that cannot be, and for a classification
    without awareness. A breach that is recorded stays.
    """
    regime = _known(regimes, name)
    rows = await _rows(tx, incident, name)
    aware = aware or (rows[0]["aware"] if rows else None)
    if aware is None:
        raise Refused(f"{incident}: {name} has not begun; say since when you are aware of it")
    classified = classified or (rows[0]["classified"] if rows else None)
    if aware > now or (classified is not None and classified > now):
        raise Refused(f"{incident}: {name} begins with what has happened, not with what will")
    if classified is not None and not regime.classifies:
        raise Refused(f"{incident}: nothing in {name} waits for a classification")
    if classified is not None and classified < aware:
        raise Refused(f"{incident}: it was classified before anybody was aware of it")
    await _replan(tx, regime, incident, name, rows, aware, classified)
    data = {"aware": aware.isoformat(), "classified": classified and classified.isoformat()}
    entry = Entry(kind="duty", actor=by, subject=f"{incident} {name}", incident=incident, data=data)
    await append(tx, now, entry)


async def report_done(
    tx: Transaction,
    regimes: Regimes,
    incident: str,
    name: str,
    report: Report,
    by: str,
    now: datetime,
) -> None:
    """Mark a stage as reported; raises `Refused` if it cannot have been."""
    stage, reference = report.stage, report.reference
    regime = _known(regimes, name)
    rows = await _rows(tx, incident, name)
    row = next((one for one in rows if one["stage"] == stage), None)
    if row is None:
        stages = ", ".join(one["stage"] for one in rows) or "none: it has not begun"
        raise Refused(f"{incident}: {name} has no stage {stage}; it has {stages}")
    at = report.at or now
    if row["state"] == State.DONE:
        raise Refused(f"{incident}: {name} {stage} was reported already: {row['reference']}")
    if row["state"] == State.PROJECTED:
        raise Refused(f"{incident}: {name} {stage} comes after a stage that is not reported yet")
    if not row["aware"] <= at <= now:
        raise Refused(
            f"{incident}: {name} {stage} cannot have been reported at {at:%Y-%m-%d %H:%M} UTC"
        )
    late = at > row["due"] and row["state"] == State.RUNNING
    values = {"done": at, "done_by": by, "reference": reference, "state": State.DONE}
    if late and row["breached"] is None:
        values["breached"] = row["due"]
    await tx.execute(update(duties).where(*_this(row)).values(values))
    rows = await _rows(tx, incident, name)
    await _replan(tx, regime, incident, name, rows, row["aware"], row["classified"])
    entry = Entry(
        kind="reported",
        actor=by,
        subject=f"{incident} {name} {stage}",
        incident=incident,
        data={"reference": reference, "at": at.isoformat(), "late": late},
    )
    await append(tx, now, entry)


async def strike_duties(
    tx: Transaction, facts: Facts, regimes: Regimes, now: datetime
) -> tuple[bool, Next | None]:
    """Remind of every duty that runs, and record what is missed; returns whether, and when next."""
    struck, nexts = False, []
    for row in facts.duties:
        if row["state"] not in (State.RUNNING, State.UNCLASSIFIED) or row["struck"] >= 1:
            continue
        length = row["due"] - row["began"]
        moments = [(share, row["began"] + length * share) for share in REMINDERS]
        moments.append((1.0, row["due"]))
        past = [share for share, at in moments if share > row["struck"] and at <= now]
        if past:
            struck = True
            regime = regimes.get(row["regime"])
            audience = regime.tells if regime else "escalation"
            await _strike(tx, facts, row, past[-1], audience, now)
        nexts += [_next(row, share, at) for share, at in moments if at > now][:1]
    return struck, earliest(*nexts)


async def _strike(
    tx: Transaction, facts: Facts, row: Row, share: float, audience: str, now: datetime
) -> None:
    incident, missed = facts.incident, share >= 1 and row["state"] == State.RUNNING
    values: dict[str, Any] = {"struck": share} | ({"breached": now} if missed else {})
    await tx.execute(update(duties).where(*_this(row)).values(values))
    what = f"{row['regime']} {row['stage']}"
    if missed:
        entry = Entry(
            kind="breached",
            actor="clock",
            subject=f"{incident['id']} {what}",
            incident=incident["id"],
            data={"due": row["due"].isoformat(), "to": audience},
        )
        await append(tx, now, entry)
        said = f"{what} was NOT reported by {row['due']:%Y-%m-%d %H:%M} UTC"
    elif share >= 1:
        said = f"nobody has classified it for {row['regime']}; if it is to be reported, that is due now"
    elif row["state"] == State.UNCLASSIFIED:
        said = f"classify it for {row['regime']} by {row['due']:%Y-%m-%d %H:%M} UTC"
    else:
        said = f"{what} is to be reported by {row['due']:%Y-%m-%d %H:%M} UTC, {share:.0%} of the time is used"
    await tell(
        tx,
        now,
        key=f"duty/{incident['id']}/{what}/{share}/{row['due'].isoformat()}",
        audience=audience,
        incident=incident["id"],
        loud=share >= 1,
        subject=f"{incident['priority']} {incident['id']}: {said}",
        body=f"{brief(facts)}\n\nReported: responder incidents duty {incident['id']} {row['regime']} "
        f"--done {row['stage']} --reference …",
    )


def _next(row: Row, share: float, at: datetime) -> Next:
    what = "due" if share >= 1 else f"{share:.0%} reminder"
    return Next(at=at, summary=f"{row['regime']} {row['stage']}: {what} at {at:%Y-%m-%d %H:%M} UTC")


async def _replan(
    tx: Transaction,
    regime: Regime,
    incident: str,
    name: str,
    rows: Sequence[Row],
    aware: datetime,
    classified: datetime | None,
) -> None:
    known = {row["stage"]: row for row in rows}
    done = {row["stage"]: row["done"] for row in rows if row["done"] is not None}
    for place, found in enumerate(plan(regime, aware, classified, done)):
        row = known.get(found.stage)
        values: dict[str, Any] = {
            "aware": aware,
            "classified": classified,
            "began": found.began,
            "due": found.due,
            "state": found.state,
        }
        if row is None:
            key = {"incident": incident, "regime": name, "stage": found.stage, "place": place}
            await tx.execute(insert(duties).values(key | values))
            continue
        if (row["due"], row["state"]) != (found.due, found.state):
            values["struck"] = 0.0 if row["breached"] is None else row["struck"]
        await tx.execute(update(duties).where(*_this(row)).values(values))


async def _rows(tx: Transaction, incident: str, name: str) -> Sequence[Row]:
    query = select(duties).where(duties.c.incident == incident, duties.c.regime == name)
    return (await tx.execute(query.order_by(duties.c.place))).mappings().all()


def _this(row: Row) -> tuple[Any, ...]:
    return (
        duties.c.incident == row["incident"],
        duties.c.regime == row["regime"],
        duties.c.stage == row["stage"],
    )


def _known(regimes: Regimes, name: str) -> Regime:
    regime = regimes.get(name)
    if regime is None:
        raise Refused(f"{name} is no regime; there are {', '.join(sorted(regimes))}")
    return regime
