"""
Time that counts: all of it, or the hours in which a team works, and never while a clock is paused.

Hours are those of the clock on the wall: a day's window begins at the first moment at which the
clock shows its start or later, and ends at the first at which it shows its end or later. So a day
on which summer time begins or ends is as long as it was for the people who lived it, and 09:00
stays 09:00.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import cache
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator, model_validator

from responder.incident import Frozen
from responder.policy.holidays import Holidays

Span = tuple[datetime, datetime]
_DAY = timedelta(days=1)
_NONE = timedelta(0)
# As far as a due time is looked for: hours without a working day in so long are a mistake.
_FURTHEST = 3_660


class Weekday(StrEnum):
    """A day of the week."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


_WEEK = tuple(Weekday)


class WorkingHours(Frozen):
    """When a team works: days of the week, from one time of day to another, in its time zone."""

    days: tuple[Weekday, ...] = Field(
        default=_WEEK[:5], min_length=1, description="The days of the week that are worked."
    )
    start: time = Field(default=time(9), description="When a working day begins.")
    end: time = Field(
        default=time(17), description="When it ends, after `start`; 00:00 is the end of the day."
    )
    zone: str = Field(
        default="UTC", description="The time zone of these times, such as Europe/Paris."
    )
    holidays: Holidays = Field(default=Holidays(), description="Days that are not worked.")

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
    def _in_one_day(self) -> Self:
        if self.start.tzinfo is not None or self.end.tzinfo is not None:
            raise ValueError("hours are in `zone`; expected 09:00, not an offset")
        if time(0) < self.end <= self.start:
            raise ValueError(f"expected `end` after {self.start:%H:%M}, found {self.end:%H:%M}")
        return self

    def window(self, day: date) -> Span | None:
        """From when to when *day* is worked, UTC; None if it is not."""
        if _WEEK[day.weekday()] not in self.days or self.holidays.has(day):
            return None
        zone = _zone(self.zone)
        begins = _first(day, self.start, zone)
        ends = (
            _first(day + _DAY, time(0), zone)
            if self.end == time(0)
            else _first(day, self.end, zone)
        )
        return (begins, ends) if begins < ends else None

    def windows(self, start: datetime) -> Iterator[Span]:
        """What is worked from *start* on, in order, the first perhaps cut by it."""
        first = start.astimezone(_zone(self.zone)).date()
        for number in range(_FURTHEST):
            window = self.window(first + number * _DAY)
            if window is not None and window[1] > start:
                yield max(window[0], start), window[1]
        raise ValueError(f"no more working time within {_FURTHEST} days of {start:%Y-%m-%d}")


def after(
    start: datetime,
    span: timedelta,
    hours: WorkingHours | None = None,
    pauses: Sequence[Span] = (),
) -> datetime:
    """
    The moment at which *span* of the time that counts has passed since *start*.

    At the end of a working day that is its end, not the next one's start. Raises `ValueError` if
    there is not so much working time within ten years.
    """
    if span <= _NONE:
        return start
    left = span
    for begins, ends in _counting(start, hours, pauses):
        if ends is None or ends - begins >= left:
            return begins + left
        left -= ends - begins
    raise AssertionError("what counts has no end")


def counted(
    start: datetime,
    end: datetime,
    hours: WorkingHours | None = None,
    pauses: Sequence[Span] = (),
) -> timedelta:
    """How much of the time from *start* to *end* counts; nothing if *end* comes first."""
    total = _NONE
    for begins, ends in _counting(start, hours, pauses):
        if begins >= end:
            break
        total += min(end, ends or end) - begins
        if ends is None:
            break
    return total


def _counting(
    start: datetime, hours: WorkingHours | None, pauses: Sequence[Span]
) -> Iterator[tuple[datetime, datetime | None]]:
    """The stretches that count from *start* on, in order; the last of all has no end."""
    stopped = sorted((max(begins, start), ends) for begins, ends in pauses if ends > start)
    stretches: Iterator[tuple[datetime, datetime | None]] = (
        iter(((start, None),)) if hours is None else hours.windows(start)
    )
    for begins, ends in stretches:
        at = begins
        for pause_begins, pause_ends in stopped:
            if ends is not None and pause_begins >= ends:
                break
            if pause_begins > at:
                yield at, pause_begins
            at = max(at, pause_ends)
        if ends is None or at < ends:
            yield at, ends


def _first(day: date, shows: time, zone: ZoneInfo) -> datetime:
    """The first moment of *day* at which the clock in *zone* shows *shows* or later, UTC."""
    wall = datetime.combine(day, shows)
    at = wall.replace(tzinfo=zone).astimezone(UTC)
    if at.astimezone(zone).replace(tzinfo=None) == wall:
        return at
    # The clock skips it, as when summer time begins: it shows later from the change itself on.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    while at - early > timedelta(seconds=1):
        middle = early + (at - early) / 2
        if middle.astimezone(zone).replace(tzinfo=None) >= wall:
            at = middle
        else:
            early = middle
    return at.replace(microsecond=0)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
