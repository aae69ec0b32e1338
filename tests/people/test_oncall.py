"""Who is on call is a matter of the clock on the wall, of days off and of who stands in."""

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from responder.people.oncall import OnCall, Override, Roster
from responder.policy.holidays import Holidays

WEEKLY = Roster(
    name="secops",
    team="Security Team",
    people=("ana", "ben", "cyd"),
    zone="Europe/Berlin",
    began=date(2026, 1, 5),
)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "person"),
    [
        ("2026-01-05T08:59+01:00", None),  # has not begun
        ("2026-01-05T09:00+01:00", "ana"),
        ("2026-01-12T08:59+01:00", "ana"),
        ("2026-01-12T09:00+01:00", "ben"),
        ("2026-01-26T09:00+01:00", "ana"),
        # Summer time begins on 29 March 2026: the handover stays at nine on the wall.
        ("2026-03-30T08:59+02:00", "cyd"),
        ("2026-03-30T09:00+02:00", "ana"),
        ("2026-10-26T08:59+01:00", "cyd"),
        ("2026-10-26T09:00+01:00", "ana"),
        # A leap day is a day like any other.
        ("2028-02-28T08:59+01:00", "ana"),
        ("2028-02-28T09:00+01:00", "ben"),
        ("2028-02-29T12:00+01:00", "ben"),
    ],
)
def test_turns_hand_over_by_the_clock_on_the_wall(moment: str, person: str | None) -> None:
    assert WEEKLY.by_turn(at(moment)) == person


def test_the_hour_that_is_shown_twice_brings_no_turn_back() -> None:
    night = WEEKLY.model_copy(update={"every": timedelta(hours=12), "handover": time(2, 30)})
    before = at("2026-10-25T02:45+02:00")  # the first 02:45: the turn has begun
    again = at("2026-10-25T02:15+01:00")  # half an hour later the wall shows 02:15 once more
    assert again - before == timedelta(minutes=30)
    assert night.turn(again) == night.turn(before)


def test_a_handover_at_a_time_that_is_skipped_happens_an_hour_later_on_the_wall() -> None:
    night = WEEKLY.model_copy(update={"every": timedelta(days=1), "handover": time(2, 30)})
    assert night.by_turn(at("2026-03-29T03:29+02:00")) != night.by_turn(
        at("2026-03-29T03:30+02:00")
    )


@given(
    days=st.floats(0, 3 * 366),
    every=st.integers(1, 15 * 24),
    hours=st.integers(0, 23),
    zone=st.sampled_from(["UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_shifts_follow_each_other_without_a_gap_and_are_what_any_moment_in_them_says(
    days: float, every: int, hours: int, zone: str
) -> None:
    roster = WEEKLY.model_copy(
        update={"every": timedelta(hours=every), "handover": time(hours, 30), "zone": zone}
    )
    oncall, begin = (
        OnCall(rosters=(roster,)),
        datetime(2026, 1, 6, tzinfo=UTC) + timedelta(days=days),
    )
    found = list(oncall.shifts(roster, begin, begin + timedelta(days=3)))
    assert found[0][0] == begin
    for (_, one), (following, _) in pairwise(found):
        assert one.until == following
    for beginning, shift in found:
        assert beginning < shift.until
        middle = beginning + (shift.until - beginning) / 2
        for moment in (beginning, middle, shift.until - timedelta(microseconds=1)):
            assert oncall.shift(roster, moment).person == shift.person


def test_who_stands_in_counts_and_what_was_said_last_counts_most() -> None:
    oncall = OnCall(rosters=(WEEKLY,))
    night = ("2026-01-06T18:00+01:00", "2026-01-07T08:00+01:00")
    stands_in = [
        Override(id=str(n), roster="secops", person=who, start=at(start), end=at(end))
        for n, (who, start, end) in enumerate(
            [("ben", *night), ("cyd", "2026-01-06T22:00+01:00", night[1])]
        )
    ]

    def person(moment: str) -> str | None:
        return oncall.shift(WEEKLY, at(moment), stands_in).person

    assert person("2026-01-06T17:59+01:00") == "ana"
    assert person("2026-01-06T18:00+01:00") == "ben"
    assert person("2026-01-06T22:00+01:00") == "cyd"
    assert person("2026-01-07T08:00+01:00") == "ana"
    ends = [s.until for _, s in oncall.shifts(WEEKLY, at(night[0]), at(night[1]), stands_in)]
    assert ends == [at("2026-01-06T22:00+01:00"), at(night[1])]


def test_on_a_day_off_nobody_of_the_roster_is_on_call_until_midnight_on_the_wall() -> None:
    office = WEEKLY.model_copy(
        update={"holidays": Holidays(country="DE", subdivision="BY", dates=(date(2026, 8, 14),))}
    )
    oncall = OnCall(rosters=(office,))
    assert office.by_turn(at("2026-01-06T12:00+01:00")) is None  # Epiphany, in Bavaria
    assert WEEKLY.by_turn(at("2026-01-06T12:00+01:00")) == "ana"
    assert office.by_turn(at("2026-08-14T23:59+02:00")) is None
    shift = oncall.shift(office, at("2026-01-06T12:00+01:00"))
    assert shift.until == at("2026-01-07T00:00+01:00")
    assert oncall.shift(office, shift.until).person == "ana"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"zone": "Europe/Berln"}, "'Europe/Berln' is no time zone"),
        ({"zone": "../etc/passwd"}, "is no time zone"),
        ({"people": ()}, "at least 1 item"),
        ({"handover": "09:00+01:00"}, "in the roster's own zone"),
        ({"every": "PT0S"}, "greater than or equal to 1 hour"),
        ({"holidays": {"country": "XX"}}, "XX"),
        ({"holidays": {"subdivision": "BY"}}, "expected `country`"),
    ],
)
def test_what_no_roster_can_mean_is_a_fault_of_the_settings(
    change: dict[str, object], said: str
) -> None:
    with pytest.raises(ValidationError, match="(?s)" + said.replace(".", r"\.")):
        Roster.model_validate(WEEKLY.model_dump() | change)
