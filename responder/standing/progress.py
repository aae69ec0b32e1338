"""
How far an ask, and its incident, has come: what people read, and never more than rows show.

Waiting → Recorded by ana (decided in the store) → Running 2/3 (its run has picked it up) →
Contained 14:09 (every hold of it was read back) → Undone 15:00 (every hold of it was put back).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from responder.incident import Frozen
from responder.plan import Outcome
from responder.policy.tiers import Ruling
from responder.standing.facts import Facts
from responder.standing.judging import judged
from responder.store.rows import Row
from responder.verbs.believing import DONE

# A decision is picked up within a second or two; what is not after this is said aloud.
UNHEARD = timedelta(seconds=10)


class Word(StrEnum):
    """The one word that a colour or a picture is chosen by."""

    WAITING = "waiting"
    RECORDED = "recorded"
    RUNNING = "running"
    CONTAINED = "contained"
    NOT_CONTAINED = "not-contained"
    UNDONE = "undone"
    DENIED = "denied"
    EXPIRED = "expired"
    REVOKED = "revoked"
    EDITED = "edited"


class Progress(Frozen):
    """How far something has come: a word for programs, a text for people."""

    word: Word
    text: str


def of_ask(facts: Facts, ask: Row) -> Progress:
    """How far *ask*, one of the asks of *facts*, has come."""
    by = _deciders(facts, ask, approve=True)
    match ask["state"]:
        case "open":
            more = ask["needs"]["people"] - len(by)
            text = f"Waiting for {more} more, recorded by {_names(by)}" if by else "Waiting"
            return Progress(word=Word.WAITING, text=text)
        case "approved":
            return _decided(facts, ask, _names(by))
        case "denied":
            who = _deciders(facts, ask, approve=False)
            text = f"Denied by {_names(who)}" if who else "Denied when the incident was closed"
            return Progress(word=Word.DENIED, text=text)
        case "expired":
            text = f"Expired {_at(facts, ask['decided'])}, nothing was done"
            return Progress(word=Word.EXPIRED, text=text)
        case "revoked":
            return Progress(word=Word.REVOKED, text="Taken back, nothing was done")
        case "edited":
            return Progress(word=Word.EDITED, text="Edited, and asked again")
    return Progress(word=Word.REVOKED, text=str(ask["state"]).capitalize())


def of_incident(facts: Facts) -> Progress:
    """How far the incident has come: what waits for people first, then what is not picked up yet."""
    asked = [of_ask(facts, ask) for ask in facts.asks]
    waiting = [one for one in asked if one.word is Word.WAITING]
    if len(waiting) > 1:
        return Progress(word=Word.WAITING, text=f"Waiting for {len(waiting)} decisions")
    first = [*waiting, *(one for one in asked if one.word is Word.RECORDED)]
    return first[0] if first else _contained(facts)


def _contained(facts: Facts) -> Progress:
    """How far what was picked up of the incident has come."""
    carried = [step for step in facts.steps if step["state"] in ("carrying", "done")]
    counts = _Counts.of([one for step in carried for one in _changes(facts, step)])
    under_way = any(step["state"] in ("planned", "asked", "carrying") for step in facts.steps)
    match "responding" if under_way else judged(facts):
        case "contained":
            at = facts.incident["contained"] or counts.at or facts.at
            return Progress(word=Word.CONTAINED, text=f"Contained {_at(facts, at)}")
        case "released":
            return _ending(facts, facts.released)
        case "partly contained":
            return _partly(counts)
        case "NOT CONTAINED":
            return Progress(word=Word.NOT_CONTAINED, text="NOT CONTAINED")
        case "unanswered":
            text = "NOT CONTAINED: no playbook answers it"
            return Progress(word=Word.NOT_CONTAINED, text=text)
    text = f"Running {counts.verified}/{counts.all}" if counts.all else "Running"
    return Progress(word=Word.RUNNING, text=text)


def of_step(facts: Facts, step: Row) -> Progress:
    """How far a step that was picked up has come, by the rows of its holds."""
    changes = _changes(facts, step)
    counts = _Counts.of(changes)
    if step["state"] == "carrying":
        return Progress(word=Word.RUNNING, text=f"Running {counts.verified}/{counts.all}")
    over = [hold for one in changes if one.over for hold in one.holds]
    if over and all(one.over or one.refused for one in changes):
        return _ending(facts, over)
    if counts.all and counts.verified == counts.all:
        at = _at(facts, counts.at or step["finished"] or facts.at)
        done = all(hold["ended_by"] == DONE for one in changes for hold in one.holds)
        return Progress(word=Word.CONTAINED, text=f"{'Done' if done else 'Contained'} {at}")
    bad = [h for one in changes for h in one.holds if h["outcome"] != Outcome.VERIFIED]
    refused = any(one.refused for one in changes)
    if bad and not refused and all(hold["outcome"] == Outcome.PENDING for hold in bad):
        return Progress(word=Word.RUNNING, text=f"Running {counts.verified}/{counts.all}")
    return _partly(counts)


def _decided(facts: Facts, ask: Row, by: str) -> Progress:
    if ask.get("kind", "step") != "step":
        return _lease_decided(facts, ask, by)
    step = next((one for one in facts.steps if one["key"] == ask["step"]), None)
    if step is None or step["state"] in ("planned", "asked"):
        return _recorded(facts, ask, by)
    if step["state"] in ("refused", "drifted"):
        return Progress(word=Word.NOT_CONTAINED, text="NOT CONTAINED, nothing was done")
    return of_step(facts, step)


def _recorded(facts: Facts, ask: Row, by: str) -> Progress:
    """Decided, and not picked up; who is late is told by what has not looked since."""
    text = f"Recorded by {by}"
    if facts.paused:
        text += ", the runner is paused"
    elif ask["decided"] is not None and facts.at - ask["decided"] > UNHEARD:
        unseen = facts.incident["revision"] > facts.incident["seen_revision"]
        text += ", worker down" if unseen else ", not picked up yet"
    return Progress(word=Word.RECORDED, text=text)


def _lease_decided(facts: Facts, ask: Row, by: str) -> Progress:
    """An ask that ends or extends holds: recorded until written, then as far as the points are."""
    if ask["applied"] is None:
        return _recorded(facts, ask, by)
    subject = ask["subject"]
    named = {hold["id"] for hold in subject["holds"]}
    about = [hold for hold in facts.holds if hold["id"] in named]
    if subject["kind"] == "end":
        if len(about) < len(named):  # of another incident: what became of them is told there
            return Progress(word=Word.UNDONE, text=f"Ended {_at(facts, ask['applied'])}")
        return _ending(facts, about)
    until = datetime.fromisoformat(subject["until"])
    if all(hold["outcome"] == Outcome.VERIFIED for hold in about):
        text = f"Extended until {_at(facts, until)}"
        return Progress(word=Word.CONTAINED, text=text)
    good = sum(hold["outcome"] == Outcome.VERIFIED for hold in about)
    return Progress(word=Word.RUNNING, text=f"Running {good}/{len(about)}")


def _ending(facts: Facts, holds: Sequence[Row]) -> Progress:
    """Holds that are over: undone only if the point of every one of them was read back."""
    back = [hold for hold in holds if hold.get("lifted") is not None]
    alone = [hold for hold in holds if hold["resource_state"] == "disputed"]
    clear = [hold for hold in holds if hold["resource_state"] == "clear"]
    if len(back) == len(holds):
        at = max(hold["lifted"] for hold in holds)
        return Progress(word=Word.UNDONE, text=f"Undone {_at(facts, at)}")
    if len({hold["id"] for hold in (*back, *alone, *clear)}) < len(holds):
        return Progress(word=Word.RUNNING, text=f"Undoing {len(back)}/{len(holds)}")
    if alone:
        text = f"Ended; left as found at {len(alone)} of {len(holds)}: somebody changed it since"
        return Progress(word=Word.UNDONE, text=text)
    if any(hold["outcome"] != Outcome.VERIFIED for hold in clear):
        text = "NOT CONTAINED: ended before its point was reached"
        return Progress(word=Word.NOT_CONTAINED, text=text)
    return Progress(word=Word.UNDONE, text="Ended")


def _partly(counts: "_Counts") -> Progress:
    if not counts.verified:
        return Progress(word=Word.NOT_CONTAINED, text="NOT CONTAINED")
    over = f", {counts.over} ended" if counts.over else ""
    text = f"Partly contained {counts.verified}/{counts.all}{over}"
    return Progress(word=Word.NOT_CONTAINED, text=text)


class _OneChange(Frozen):
    """One change of a step, by its holds."""

    refused: bool
    verified: bool
    over: bool
    holds: tuple[Any, ...]


class _Counts(Frozen):
    """Changes, how many of them are verified, how many are over, and when the last was verified."""

    all: int
    verified: int
    over: int
    at: datetime | None

    @classmethod
    def of(cls, changes: Sequence[_OneChange]) -> "_Counts":
        holds = [hold for one in changes if one.verified for hold in one.holds]
        moments = [hold["verified"] for hold in holds if hold.get("verified") is not None]
        return cls(
            all=len(changes),
            verified=sum(one.verified for one in changes),
            over=sum(one.over for one in changes),
            at=max(moments) if moments and len(moments) == len(holds) else None,
        )


def _changes(facts: Facts, step: Row) -> list[_OneChange]:
    found = []
    for index, change in enumerate(step["plan"]["changes"]):
        mine = tuple(h for h in facts.holds if h["id"].startswith(f"{step['key']}/{index}/"))
        good = [
            hold["ended_by"] == DONE or (facts.lives(hold) and hold["outcome"] == Outcome.VERIFIED)
            for hold in mine
        ]
        over = [hold["ended_by"] != DONE and not facts.lives(hold) for hold in mine]
        refused = change["ruling"] == Ruling.REFUSE
        found.append(
            _OneChange(
                refused=refused,
                verified=bool(mine) and all(good) and not refused,
                over=bool(mine) and all(over),
                holds=mine,
            )
        )
    return found


def _deciders(facts: Facts, ask: Row, *, approve: bool) -> list[str]:
    return [
        one["principal"]
        for one in facts.decisions
        if one["ask"] == ask["id"] and bool(one["approve"]) is approve and one["revoked"] is None
    ]


def _names(names: Sequence[str]) -> str:
    return " and ".join(names) or "nobody"


def _at(facts: Facts, at: datetime) -> str:
    return f"{at:%H:%M}" if at.date() == facts.at.date() else f"{at:%Y-%m-%d %H:%M}"
