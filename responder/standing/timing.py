"""When a clock's row has something to say: its moments, its plan and its pauses, without any I/O."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from responder.incident import Frozen
from responder.policy.sla import PROMISED, Clock, Strike, Targets, strikes
from responder.policy.working_time import Span, WorkingHours, after
from responder.store.rows import Row


class Next(Frozen):
    """The next moment at which a clock has something to say."""

    at: datetime
    summary: str


def earliest(*nexts: Next | None) -> Next | None:
    """The first of those that there are."""
    return min((one for one in nexts if one is not None), key=lambda one: one.at, default=None)


def planned(
    started: datetime,
    within: timedelta,
    hours: WorkingHours | None,
    pauses: tuple[Span, ...] = (),
) -> dict[str, Any]:
    """The columns of a clock that runs *within* from *started*."""
    return {
        "started": started,
        "due": after(started, within, hours, pauses),
        "within": within.total_seconds(),
    }


def afresh(started: datetime, within: timedelta, hours: WorkingHours | None) -> dict[str, Any]:
    """The columns of a clock that begins anew, with nothing struck and nothing missed."""
    return {
        **planned(started, within, hours),
        "met": None,
        "struck": 0.0,
        "breached": None,
        "level": 0,
        "climbed": None,
        "pauses": None,
        "missed": 0,
    }


def within_of(row: Row) -> timedelta:
    """How much time that counts a clock was given."""
    if row["within"] is None:  # written before there were hours and pauses
        return row["due"] - row["started"]  # type: ignore[no-any-return]
    return timedelta(seconds=row["within"])


def pauses_of(row: Row) -> tuple[Span, ...]:
    """From when to when a clock was, is or will be paused."""
    return tuple(
        (datetime.fromisoformat(one["from"]), datetime.fromisoformat(one["until"]))
        for one in row["pauses"] or ()
    )


def paused_until(row: Row, now: datetime) -> datetime | None:
    """Until when a clock stands still, if it does."""
    return max((until for begins, until in pauses_of(row) if begins <= now < until), default=None)


def hours_of(clock: Clock, targets: Targets) -> WorkingHours | None:
    """The hours that count for *clock*: an ask expires by the calendar, whoever works."""
    return None if clock is Clock.APPROVE else targets.hours


def strikes_of(row: Row, targets: Targets) -> tuple[Strike, ...]:
    """Every moment at which a clock's row has something to say; the breach is at what is due."""
    clock = Clock(row["clock"])
    found = strikes(clock, row["started"], within_of(row), hours_of(clock, targets), pauses_of(row))
    return (*found[:-1], found[-1].model_copy(update={"at": row["due"]}))


def upcoming(one: Strike) -> Next:
    """What is said at *one*, for whoever waits for it."""
    what = "breach" if one.share >= 1 else f"{one.share:.0%} reminder"
    return Next(at=one.at, summary=f"SLA {one.clock}: {what} at {one.at:%H:%M:%S} UTC")


def first_strike(targets: Targets, opened: datetime, contain_within: timedelta | None) -> Next:
    """The first moment at which a new incident's clocks have something to say."""
    return min(
        (
            upcoming(strikes(clock, opened, within, targets.hours)[0])
            for clock, within in targets.started(contain_within).items()
        ),
        key=lambda n: n.at,
    )


def due_of(rows: Sequence[Row]) -> datetime | None:
    """What is promised next: the earliest of the running clocks that have a target."""
    return min(
        (r["due"] for r in rows if r["met"] is None and r["clock"] in PROMISED), default=None
    )


def chain_of(incident: Row, targets: Targets) -> tuple[str, ...]:
    """The levels that hear of a breach: as they were when the incident got its priority."""
    return tuple(incident["chain"] or ()) or targets.escalates_to
