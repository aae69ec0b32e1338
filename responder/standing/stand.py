"""One look at an incident: strike what is due, judge containment, and say what should go on."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import update

from responder.audit import Entry, append
from responder.incident import Priority
from responder.plan import Outcome
from responder.policy.judge import Policy
from responder.policy.sla import Clock
from responder.standing.board import board
from responder.standing.clocks import Next, meet, strike
from responder.standing.duties import strike_duties
from responder.standing.facts import Facts, load
from responder.standing.judging import containing, judged, shown
from responder.standing.runs import open_run, run_starts
from responder.standing.timing import due_of
from responder.store.database import Transaction
from responder.store.rows import Row
from responder.store.tables import incidents
from responder.verbs.asking import expire
from responder.verbs.context import Kinds
from responder.verbs.telling import tell
from responder.workflows.wire import RunStart, Standing

UNANSWERED = "unanswered"


async def stand(
    tx: Transaction, kinds: Kinds, policy: Policy, incident_id: str, now: datetime
) -> Standing | None:
    """Where the incident stands, after everything that was due has been done; None if unknown."""
    facts = await load(tx, incident_id, now)
    if facts is None:
        return None
    if facts.incident["closed"] is not None:
        # A report may be owed for weeks after the incident; the nudger goes on looking.
        _, upcoming = await strike_duties(tx, facts, policy.duties, now)
        await _seen(tx, facts.incident, facts.incident["status"], upcoming)
        return standing_of(facts.incident, facts.incident["status"])
    targets = policy.sla[Priority(facts.incident["priority"])]
    opened = await open_run(tx, kinds, targets, facts.incident, facts.runs, now)
    expired = [a for a in facts.open_asks if a["expires"] <= now]
    for ask in expired:
        await expire(tx, ask, now)
    if opened.run is not None or expired:
        facts = await load(tx, incident_id, now) or facts
    containment, state = judged(facts), shown(facts)
    contained = containment == "contained" and facts.incident["contained"] is None
    if contained:
        await _contain(tx, facts.incident, now)
    elif containment in ("partly contained", "NOT CONTAINED"):
        await _say_partial(tx, facts, now)
    struck, upcoming = await strike(tx, facts, policy, now)
    if contained or struck:
        facts = await load(tx, incident_id, now) or facts
    if opened.again is not None and (upcoming is None or opened.again < upcoming.at):
        upcoming = Next(at=opened.again, summary="a run on the new indicators")
    ends = min((hold["until"] for hold in facts.held if hold["until"]), default=None)
    if ends is not None and (upcoming is None or ends < upcoming.at):
        upcoming = Next(at=ends, summary=f"a lease ends at {ends:%H:%M:%S} UTC")
    status = _status(facts, state)
    await _seen(tx, facts.incident, status, upcoming)
    return standing_of(
        facts.incident,
        status,
        due=due_of(facts.clocks),
        runs=run_starts(facts.incident, facts.runs),
        upcoming=upcoming,
        waiting=_waiting(facts),
        text=board(facts, status),
    )


def _status(facts: Facts, state: str) -> str:
    """The state, and before it that nobody answers: no containment makes that less loud."""
    if facts.incident["unanswered"] is None or state == UNANSWERED:
        return state
    return f"{UNANSWERED}, {state}"


def _waiting(facts: Facts) -> str:
    """Whom the incident waits for, as Temporal's list shows it."""
    if facts.incident["unanswered"] is not None:
        return UNANSWERED.upper()
    return "approvers" if facts.open_asks else ""


async def _seen(tx: Transaction, incident: Row, status: str, upcoming: Next | None) -> None:
    this = update(incidents).where(incidents.c.id == incident["id"])
    values = {
        "seen_revision": incident["revision"],
        "status": status,
        "next_strike": None if upcoming is None else upcoming.at,
    }
    await tx.execute(this.values(values))


async def _contain(tx: Transaction, incident: Row, now: datetime) -> None:
    await tx.execute(
        update(incidents).where(incidents.c.id == incident["id"]).values(contained=now)
    )
    await meet(tx, incident["id"], Clock.CONTAIN, now)
    entry = Entry(
        kind="contained",
        actor="runner",
        subject=incident["id"],
        incident=incident["id"],
        data={"after_seconds": (now - incident["opened"]).total_seconds()},
    )
    await append(tx, now, entry)


async def _say_partial(tx: Transaction, facts: Facts, now: datetime) -> None:
    """Tell people, once for each set of points, what is not contained."""
    incident = facts.incident
    held = containing(facts)
    bad = [h for h in held if h["outcome"] not in (Outcome.VERIFIED, Outcome.PENDING)]
    if not bad:
        return  # a refusal or a failed run, which have been told already
    names = ", ".join(sorted(f"{hold['resource']} ({hold['outcome']})" for hold in bad))
    some = len(bad) < len(held)
    await tell(
        tx,
        now,
        key=f"partial/{incident['id']}/{len(facts.runs)}/{names}"[:390],
        audience="security",
        incident=incident["id"],
        loud=True,
        subject=f"{incident['priority']} {incident['id']}: "
        + ("only partly contained" if some else "NOT CONTAINED"),
        body=f"Not verified: {names}. These are tried again until they are, or the hold ends.",
    )


def standing_of(
    incident: Row,
    status: str,
    *,
    due: datetime | None = None,
    runs: Sequence[RunStart] = (),
    upcoming: Next | None = None,
    waiting: str = "",
    text: str = "",
) -> Standing:
    """A standing in the form that travels."""
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
        runs=tuple(runs),
        next_strike=None if upcoming is None else upcoming.at,
        next_strike_summary="" if upcoming is None else upcoming.summary,
        board=text,
    )
