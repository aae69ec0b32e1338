"""
When an incident must be reported to an authority: regimes, their stages, and the rule of each deadline.

A duty begins with an explicit event, the moment at which somebody became aware, and never by
itself. Deadlines in hours run through nights, weekends and changes of summer time; deadlines in
months are calendar months on the clock on the wall of the regime's zone, and end on the last day
of a month that has no such day.

Sources: Regulation (EU) 2016/679 (GDPR) Art. 33(1); Directive (EU) 2022/2555 (NIS2) Art. 23(4);
Commission Delegated Regulation (EU) 2025/301 (DORA) Art. 5. Art. 5(4) of the last, which gives
some entities until noon of the next working day, is not used: what is due is due at the earliest.
"""

import calendar
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BeforeValidator, Field, field_validator, model_validator

from responder.incident import Frozen, Name

AWARE, CLASSIFIED = "aware", "classified"
_NONE = timedelta(0)


class Stage(Frozen):
    """One report: how long after which event it is due."""

    name: Name = Field(description="What is reported, such as `initial`.")
    after: str = Field(
        default=AWARE,
        description="What its time runs from: `aware`, `classified`, or an earlier stage that is done.",
    )
    within: timedelta = Field(default=_NONE, ge=_NONE, description="How long after that.")
    months: int = Field(default=0, ge=0, le=24, description="How many calendar months after that.")
    latest: timedelta | None = Field(
        default=None,
        gt=_NONE,
        description="For a stage after `classified`: how long after awareness at most, unless it was "
        "classified later than that.",
    )

    @model_validator(mode="after")
    def _has_a_time(self) -> Self:
        if bool(self.within) == bool(self.months):
            raise ValueError(f"stage {self.name}: expected one of `within` and `months`")
        if (self.latest is not None) != (self.after == CLASSIFIED):
            raise ValueError(
                f"stage {self.name}: `latest` is of stages after `classified`, and of all"
            )
        return self


class Regime(Frozen):
    """A law or a contract by which incidents are reported."""

    title: str = Field(description="What people call it, with where it is written.")
    stages: tuple[Stage, ...] = Field(min_length=1, description="What is reported, in order.")
    zone: str = Field(
        default="UTC", description="The time zone in which calendar months are counted."
    )
    tells: Name = Field(default="CISO", description="Who is reminded, and hears of a breach.")

    @field_validator("zone")
    @classmethod
    def _that_there_is(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"{value!r} is no time zone; expected one such as Europe/Paris"
            ) from error
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        known = {AWARE, CLASSIFIED}
        for stage in self.stages:
            if stage.after not in known:
                raise ValueError(
                    f"stage {stage.name} is after {stage.after}, which is no stage before it"
                )
            if stage.name in known:
                raise ValueError(f"two stages are named {stage.name}")
            known.add(stage.name)
        return self

    @property
    def classifies(self) -> bool:
        """Whether some stage waits for the incident to be classified."""
        return any(stage.after == CLASSIFIED for stage in self.stages)


REGIMES: dict[str, Regime] = {
    "gdpr": Regime(
        title="GDPR Art. 33",
        stages=(Stage(name="notification", within=timedelta(hours=72)),),
    ),
    "nis2": Regime(
        title="NIS2, Directive (EU) 2022/2555 Art. 23",
        stages=(
            Stage(name="early-warning", within=timedelta(hours=24)),
            Stage(name="notification", within=timedelta(hours=72)),
            Stage(name="final", after="notification", months=1),
        ),
    ),
    "dora": Regime(
        title="DORA, Delegated Regulation (EU) 2025/301 Art. 5",
        stages=(
            Stage(
                name="initial",
                after=CLASSIFIED,
                within=timedelta(hours=4),
                latest=timedelta(hours=24),
            ),
            Stage(name="intermediate", after="initial", within=timedelta(hours=72)),
            Stage(name="final", after="intermediate", months=1),
        ),
    ),
}


def _over_the_defaults(value: Any) -> Any:  # noqa: ANN401 - not validated yet
    return {**REGIMES, **value} if isinstance(value, Mapping) else value


# Regimes by name, laid over the known ones; one of a known name replaces it whole.
Regimes = Annotated[dict[Name, Regime], BeforeValidator(_over_the_defaults)]


class State(StrEnum):
    """How a stage stands."""

    RUNNING = "running"
    UNCLASSIFIED = "unclassified"  # due only if it turns out to be of the kind that is reported
    PROJECTED = "projected"  # cannot begin yet: its time runs from a stage that is not done
    DONE = "done"


class Due(Frozen):
    """One stage's deadline."""

    stage: str
    state: State
    began: datetime
    due: datetime


def plan(
    regime: Regime,
    aware: datetime,
    classified: datetime | None = None,
    done: Mapping[str, datetime] | None = None,
) -> tuple[Due, ...]:
    """
    Every stage's deadline, in order, from what has happened so far. All times are aware ones.

    A stage whose time has not begun is planned as if what it waits for came at its last moment.
    """
    done = done or {}
    found: dict[str, Due] = {}
    for stage in regime.stages:
        state, began, due = _running(stage, regime, aware, classified, done, found)
        if stage.name in done:
            state = State.DONE
        found[stage.name] = Due(stage=stage.name, state=state, began=began, due=due)
    return tuple(found.values())


def _running(
    stage: Stage,
    regime: Regime,
    aware: datetime,
    classified: datetime | None,
    done: Mapping[str, datetime],
    before: Mapping[str, Due],
) -> tuple[State, datetime, datetime]:
    if stage.after == AWARE:
        return State.RUNNING, aware, _due(stage, regime, aware)
    if stage.after == CLASSIFIED:
        latest = aware + (stage.latest or _NONE)
        if classified is None:
            return State.UNCLASSIFIED, aware, latest
        due = _due(stage, regime, classified)
        # Classified later than it had to be reported: only the time from then on counts.
        return State.RUNNING, classified, due if classified > latest else min(due, latest)
    began = done.get(stage.after)
    if began is not None:
        return State.RUNNING, began, _due(stage, regime, began)
    projected = before[stage.after].due
    return State.PROJECTED, projected, _due(stage, regime, projected)


def _due(stage: Stage, regime: Regime, began: datetime) -> datetime:
    if not stage.months:
        return began.astimezone(UTC) + stage.within
    return months_later(began, stage.months, regime.zone)


def months_later(at: datetime, months: int, zone: str = "UTC") -> datetime:
    """
    *at* so many calendar months later, UTC: the same time of the same day in *zone*.

    A month that has no such day ends it on its last day. A time that the clock skips there is taken
    as what it shows after the change; of one that it shows twice, the first.
    """
    there = ZoneInfo(zone)
    local = at.astimezone(there)
    year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
    day = min(local.day, calendar.monthrange(year, month + 1)[1])
    moved = local.replace(year=year, month=month + 1, day=day, fold=0)
    return moved.astimezone(UTC)
