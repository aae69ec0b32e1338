"""Working time: summer time both ways, leap days, year ends, holidays, pauses, and a slow oracle."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from responder.policy.holidays import Holidays
from responder.policy.working_time import Span, Weekday, WorkingHours, after, counted

MINUTE = timedelta(minutes=1)
BERLIN = WorkingHours(zone="Europe/Berlin")
# Around each: the change to and from summer time, 29 February, the year's end, a zone half an hour
# off, one whose summer time is half an hour, one that skipped a whole day, one without summer time.
MOMENTS = tuple(
    datetime(*at, tzinfo=UTC)
    for at in ((2026, 3, 28, 22), (2026, 10, 24, 22), (2028, 2, 28, 12), (2026, 12, 31, 12),
               (2026, 4, 4, 12), (2026, 10, 3, 12), (2011, 12, 29, 12), (2027, 2, 27, 20))
)  # fmt: skip
ZONES = (
    "UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Apia", "Europe/Dublin", "America/Sao_Paulo",
)  # fmt: skip


@st.composite
def working_hours(draw: st.DrawFn) -> WorkingHours:
    """Some hours, of minutes that DST changes like to fall into as well."""
    quarters = st.integers(0, 95).map(lambda n: time(n // 4, n % 4 * 15))
    start = draw(quarters)
    end = draw(quarters.filter(lambda t: t > start) | st.just(time(0)))
    near = st.sampled_from([d.date() + timedelta(days=n) for d in MOMENTS for n in range(4)])
    return WorkingHours(
        days=tuple(draw(st.sets(st.sampled_from(list(Weekday)), min_size=2))),
        start=start,
        end=end,
        zone=draw(st.sampled_from(ZONES)),
        holidays=Holidays(dates=tuple(draw(st.sets(near, max_size=3)))),
    )


starts = st.builds(
    lambda at, minutes: at + minutes * MINUTE, st.sampled_from(MOMENTS), st.integers(0, 36 * 60)
)
spans = st.integers(0, 20 * 60).map(lambda n: n * MINUTE)


@st.composite
def paused(draw: st.DrawFn) -> tuple[datetime, tuple[Span, ...]]:
    """A start, and pauses after and around it, that may overlap."""
    start = draw(starts)
    begins = st.integers(-120, 2880).map(lambda n: start + n * MINUTE)
    lengths = st.integers(0, 300).map(lambda n: n * MINUTE)
    pauses = draw(st.lists(st.tuples(begins, lengths), max_size=3))
    return start, tuple((at, at + length) for at, length in pauses)


class Oracle:
    """Minute by minute: what the clock on the wall shows, and nothing else."""

    def __init__(self, hours: WorkingHours | None, pauses: tuple[Span, ...]) -> None:
        self.hours, self.pauses = hours, pauses

    def from_midnight(self, at: datetime) -> datetime:
        """Some minute before the local day of *at* began."""
        return at - timedelta(hours=50)

    def working(self, start: datetime, count: int) -> list[bool]:
        """Of each of the minutes from *start* on, whether it counts."""
        hours = self.hours
        if hours is None:
            return [not self.is_paused(start + n * MINUTE) for n in range(count)]
        zone, found = ZoneInfo(hours.zone), list[bool]()
        day, begun, over = date.min, False, False
        at = self.from_midnight(start)
        while len(found) < count:
            wall = at.astimezone(zone)
            if wall.date() != day:
                day, begun, over = wall.date(), False, False
            begun = begun or wall.time() >= hours.start
            over = over or (hours.end != time(0) and wall.time() >= hours.end)
            works = list(Weekday)[day.weekday()] in hours.days and day not in hours.holidays.dates
            if at >= start:
                found.append(works and begun and not over and not self.is_paused(at))
            at += MINUTE
        return found

    def is_paused(self, at: datetime) -> bool:
        return any(begins <= at < ends for begins, ends in self.pauses)

    def after(self, start: datetime, span: timedelta) -> datetime:
        left, chunk, at = span // MINUTE, 24 * 60, start
        if not left:
            return start
        while True:
            for number, works in enumerate(self.working(at, chunk)):
                left -= works
                if not left:
                    return at + (number + 1) * MINUTE
            at += chunk * MINUTE


@given(paused(), st.none() | working_hours(), spans)
@settings(max_examples=100, deadline=None)
def test_a_minute_stepping_oracle_agrees(
    at: tuple[datetime, tuple[Span, ...]], hours: WorkingHours | None, span: timedelta
) -> None:
    start, pauses = at
    due = after(start, span, hours, pauses)
    assert due == Oracle(hours, pauses).after(start, span)
    assert counted(start, due, hours, pauses) == span


@given(paused(), st.none() | working_hours(), spans, spans, st.integers(0, 2880))
@settings(max_examples=200, deadline=None)
def test_more_time_and_a_later_start_are_never_due_sooner(
    at: tuple[datetime, tuple[Span, ...]],
    hours: WorkingHours | None,
    one: timedelta,
    more: timedelta,
    later: int,
) -> None:
    start, pauses = at
    due = after(start, one, hours, pauses)
    assert start <= due <= after(start, one + more, hours, pauses)
    assert due <= after(start + later * MINUTE, one, hours, pauses)
    assert due <= after(start, one, hours, (*pauses, (start, start + later * MINUTE)))
    through = counted(start, due + more, hours, pauses)
    assert through >= one
    assert through <= one + more


@pytest.mark.parametrize(
    ("start", "span", "due"),
    [
        pytest.param("2026-11-20T15:00+01:00", 4, "2026-11-23T11:00+01:00", id="over a weekend"),
        pytest.param("2026-11-20T09:00+01:00", 8, "2026-11-20T17:00+01:00", id="a day's end, not the next start"),
        pytest.param("2026-11-21T12:00+01:00", 1, "2026-11-23T10:00+01:00", id="from a Saturday"),
        pytest.param("2026-03-27T16:00+01:00", 2, "2026-03-30T10:00+02:00", id="summer time begins at the weekend"),
        pytest.param("2026-10-23T16:00+02:00", 2, "2026-10-26T10:00+01:00", id="summer time ends at the weekend"),
        pytest.param("2028-02-28T16:00+01:00", 10, "2028-03-01T10:00+01:00", id="a leap day is a day"),
        pytest.param("2026-12-31T16:00+01:00", 2, "2027-01-04T10:00+01:00", id="new year's day is off"),
    ],
)  # fmt: skip
def test_hours_in_berlin(start: str, span: int, due: str) -> None:
    hours = BERLIN.model_copy(update={"holidays": Holidays(country="DE")})
    found = after(datetime.fromisoformat(start), timedelta(hours=span), hours)
    assert found == datetime.fromisoformat(due)


def test_a_night_shift_has_an_hour_less_or_more_when_the_clock_changes() -> None:
    nights = WorkingHours(days=tuple(Weekday), start=time(0), end=time(8), zone="Europe/Berlin")
    lengths = []
    for day in (date(2026, 3, 28), date(2026, 3, 29), date(2026, 10, 25)):
        window = nights.window(day)
        assert window is not None
        lengths.append((window[1] - window[0]) / timedelta(hours=1))
    assert lengths == [8, 7, 9]


def test_the_end_of_the_day_is_midnight() -> None:
    always = WorkingHours(days=tuple(Weekday), start=time(0), end=time(0), zone="Europe/Berlin")
    window = always.window(date(2026, 3, 29))
    assert window is not None
    assert window[1] - window[0] == timedelta(hours=23)
    start = datetime(2026, 3, 28, 12, tzinfo=UTC)
    assert after(start, timedelta(days=9), always) == start + timedelta(days=9)


def test_a_day_that_a_zone_skipped_is_not_worked() -> None:
    samoa = WorkingHours(days=tuple(Weekday), zone="Pacific/Apia")
    assert samoa.window(date(2011, 12, 30)) is None


def test_hours_that_never_come_are_said_and_not_looked_for_for_ever() -> None:
    never = WorkingHours(
        days=(Weekday.MON,),
        holidays=Holidays(dates=tuple(date(2026, 11, 23) + timedelta(weeks=n) for n in range(530))),
    )
    with pytest.raises(ValueError, match="no more working time within 3660 days of 2026-11-20"):
        after(datetime(2026, 11, 20, tzinfo=UTC), timedelta(hours=1), never)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"start": time(9), "end": time(9)}, "expected `end` after 09:00, found 09:00"),
        ({"start": time(22), "end": time(6)}, "expected `end` after 22:00, found 06:00"),
        ({"zone": "Mars/Olympus"}, "'Mars/Olympus' is no time zone"),
        ({"start": time(9, tzinfo=UTC)}, "hours are in `zone`"),
        ({"days": ()}, "at least 1 item"),
    ],
)
def test_hours_that_are_none_are_refused(wrong: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        WorkingHours.model_validate(wrong)
