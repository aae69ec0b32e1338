"""
How soon an incident must be acknowledged, contained and resolved, and who hears of it if not.

The defaults are the owner's matrix: P1 < 15 minutes to the CISO, P2 < 1 hour to the Security Team,
P3 < 4 hours to Operations, P4 < 24 hours to the Team Lead.
"""

from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from responder.incident import Frozen, Name, Priority


class Clock(StrEnum):
    """What is timed."""

    ACKNOWLEDGE = "acknowledge"
    CONTAIN = "contain"
    RESOLVE = "resolve"


class Targets(Frozen):
    """The clocks and the escalation of one priority."""

    acknowledge: timedelta = Field(gt=timedelta(0), description="Until a person owns it.")
    contain: timedelta = Field(gt=timedelta(0), description="Until containment is verified.")
    resolve: timedelta = Field(gt=timedelta(0), description="Until it is closed.")
    escalates_to: tuple[Name, ...] = Field(
        min_length=1, description="The chain that hears of a breach, nearest first."
    )

    def within(self, clock: Clock) -> timedelta:
        """How long *clock* may run."""
        match clock:
            case Clock.ACKNOWLEDGE:
                return self.acknowledge
            case Clock.CONTAIN:
                return self.contain
            case Clock.RESOLVE:
                return self.resolve


MATRIX: dict[Priority, Targets] = {
    Priority.P1: Targets(
        acknowledge=timedelta(minutes=5),
        contain=timedelta(minutes=15),
        resolve=timedelta(hours=4),
        escalates_to=("Security Team", "CISO"),
    ),
    Priority.P2: Targets(
        acknowledge=timedelta(minutes=15),
        contain=timedelta(hours=1),
        resolve=timedelta(hours=8),
        escalates_to=("Security Team",),
    ),
    Priority.P3: Targets(
        acknowledge=timedelta(hours=1),
        contain=timedelta(hours=4),
        resolve=timedelta(hours=24),
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


class Strike(Frozen):
    """One moment of one clock: a reminder, or the breach (share 1.0)."""

    clock: Clock
    share: float
    at: datetime


def strikes(targets: Targets, opened: datetime, clock: Clock) -> tuple[Strike, ...]:
    """Every moment at which *clock* has something to say, in order."""
    within = targets.within(clock)
    return tuple(Strike(clock=clock, share=s, at=opened + within * s) for s in (*REMINDERS, 1.0))
