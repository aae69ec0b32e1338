"""
How soon an incident must be acknowledged, contained and resolved, and who hears of it if not.

The defaults are the owner's matrix: P1 < 15 minutes to the CISO, P2 < 1 hour to the Security Team,
P3 < 4 hours to Operations, P4 < 24 hours to the Team Lead.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from pydantic import Field

from responder.incident import Frozen, Name, Priority
from responder.policy.working_time import Span, WorkingHours, after

_NONE = timedelta(0)


class Clock(StrEnum):
    """What is timed."""

    ACKNOWLEDGE = "acknowledge"
    CONTAIN = "contain"
    RESOLVE = "resolve"
    APPROVE = "approve"
    UPDATE = "next-update"


# What is promised, and missed for good; an update is due again and again, and an ask expires.
PROMISED = (Clock.ACKNOWLEDGE, Clock.CONTAIN, Clock.RESOLVE)


class Targets(Frozen):
    """The clocks and the escalation of one priority."""

    acknowledge: timedelta = Field(gt=_NONE, description="Until a person owns it.")
    contain: timedelta = Field(gt=_NONE, description="Until containment is verified.")
    resolve: timedelta = Field(gt=_NONE, description="Until it is closed.")
    update: timedelta | None = Field(
        default=None,
        gt=_NONE,
        description="From one update for those who wait to the next; none: no update is due.",
    )
    lapses: timedelta | None = Field(
        default=None,
        gt=_NONE,
        description="How long an acknowledgement holds while nothing is done; none: for good.",
    )
    escalates_to: tuple[Name, ...] = Field(
        min_length=1, description="The chain that hears of a breach, nearest first."
    )
    climbs_after: timedelta = Field(
        default=timedelta(minutes=10),
        gt=_NONE,
        description="How long a level of the chain has to answer before the next one hears of it.",
    )
    rounds: int = Field(
        default=3,
        ge=1,
        le=9,
        description="How often the whole chain is gone through before the incident is unanswered.",
    )
    pause_most: timedelta = Field(
        default=timedelta(hours=4),
        ge=_NONE,
        description="How long a clock may be paused in all; zero: not at all.",
    )
    never_paused: tuple[Clock, ...] = Field(default=(), description="Clocks that nobody may pause.")
    hours: WorkingHours | None = Field(
        default=None, description="The hours that count; none: every hour of every day."
    )

    def within(self, clock: Clock) -> timedelta | None:
        """How long *clock* may run; None if it has no target of its own."""
        match clock:
            case Clock.ACKNOWLEDGE:
                return self.acknowledge
            case Clock.CONTAIN:
                return self.contain
            case Clock.RESOLVE:
                return self.resolve
            case Clock.UPDATE:
                return self.update
            case Clock.APPROVE:
                return None

    def started(self, contain_within: timedelta | None = None) -> dict[Clock, timedelta]:
        """The clocks that run from an incident's beginning, and how long each may run."""
        found = {clock: self.within(clock) for clock in (*PROMISED, Clock.UPDATE)}
        if contain_within is not None:
            found[Clock.CONTAIN] = min(self.contain, contain_within)
        return {clock: within for clock, within in found.items() if within is not None}


MATRIX: dict[Priority, Targets] = {
    Priority.P1: Targets(
        acknowledge=timedelta(minutes=5),
        contain=timedelta(minutes=15),
        resolve=timedelta(hours=4),
        update=timedelta(minutes=30),
        lapses=timedelta(minutes=30),
        escalates_to=("Security Team", "CISO"),
        never_paused=(Clock.CONTAIN,),
    ),
    Priority.P2: Targets(
        acknowledge=timedelta(minutes=15),
        contain=timedelta(hours=1),
        resolve=timedelta(hours=8),
        update=timedelta(hours=2),
        lapses=timedelta(hours=2),
        escalates_to=("Security Team",),
    ),
    Priority.P3: Targets(
        acknowledge=timedelta(hours=1),
        contain=timedelta(hours=4),
        resolve=timedelta(hours=24),
        lapses=timedelta(hours=8),
        escalates_to=("Operations",),
    ),
    Priority.P4: Targets(
        acknowledge=timedelta(hours=4),
        contain=timedelta(hours=24),
        resolve=timedelta(days=5),
        escalates_to=("Team Lead",),
    ),
}

REMINDERS = (0.5, 0.8)


def over_the_matrix(value: Any) -> Any:  # noqa: ANN401 - not validated yet
    """*value* laid over the matrix, priority by priority and target by target."""
    if not isinstance(value, Mapping):
        return value
    found: dict[str, Any] = {str(priority): targets for priority, targets in MATRIX.items()}
    for priority, targets in value.items():
        base = found.get(str(priority))
        over = isinstance(targets, Mapping) and isinstance(base, Targets)
        found[str(priority)] = {**base.model_dump(), **targets} if over and base else targets
    return found


class Strike(Frozen):
    """One moment of one clock: a reminder, or the breach (share 1.0)."""

    clock: Clock
    share: float
    at: datetime


def strikes(
    clock: Clock,
    started: datetime,
    within: timedelta,
    hours: WorkingHours | None = None,
    pauses: Sequence[Span] = (),
) -> tuple[Strike, ...]:
    """Every moment at which *clock* has something to say, in order."""
    return tuple(
        Strike(clock=clock, share=share, at=after(started, within * share, hours, pauses))
        for share in (*REMINDERS, 1.0)
    )
