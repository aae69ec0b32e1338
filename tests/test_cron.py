from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from responder.cron import Cron

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("expression", "fitting", "other"),
    [
        ("0 2 1 * *", "2026-12-01T02:00", "2026-12-02T02:00"),
        ("0 2 * * 0", "2026-11-22T02:00", "2026-11-23T02:00"),
        ("0 2 * * 7", "2026-11-22T02:00", "2026-11-21T02:00"),
        ("0 2 * * sun", "2026-11-22T02:00", "2026-11-22T02:01"),
        ("*/15 8-17 * jan-mar mon-fri", "2026-01-05T08:45", "2026-01-05T08:50"),
        ("5,10/20 * 1,15 * *", "2026-01-15T03:50", "2026-01-15T03:20"),
    ],
)
def test_an_expression_fits_its_moments_only(expression: str, fitting: str, other: str) -> None:
    cron = Cron(expression=expression)
    assert cron.fits(datetime.fromisoformat(fitting).replace(tzinfo=UTC))
    assert not cron.fits(datetime.fromisoformat(other).replace(tzinfo=UTC))


def test_a_moment_between_two_minutes_fits_nothing() -> None:
    assert not Cron(expression="* * * * *").fits(datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC))


def test_the_time_zone_decides_in_summer_and_in_winter() -> None:
    cron = Cron(expression="0 2 1 * *", time_zone="Europe/Berlin")
    assert cron.fits(datetime(2026, 7, 1, 0, tzinfo=UTC))
    assert cron.fits(datetime(2026, 12, 1, 1, tzinfo=UTC))
    assert not cron.fits(datetime(2026, 12, 1, 2, tzinfo=UTC))


def test_a_local_time_that_the_clocks_skip_does_not_come_and_one_they_repeat_comes_twice() -> None:
    cron = Cron(expression="0 2 * * 0", time_zone="Europe/Berlin")
    spring = [datetime(2027, 3, 28, hour, tzinfo=UTC) for hour in range(24)]
    autumn = [datetime(2026, 10, 25, hour, tzinfo=UTC) for hour in range(24)]
    assert [moment.hour for moment in spring if cron.fits(moment)] == []
    assert [moment.hour for moment in autumn if cron.fits(moment)] == [0, 1]


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("0 2 1 *", "expected 5 fields"),
        ("@monthly", "expected 5 fields"),
        ("60 2 1 * *", "minute: expected 0 to 59"),
        ("0 2 0 * *", "day: expected 1 to 31"),
        ("0 2 1 * 1", "expected a day of the month or a weekday, found both"),
        ("0 2 * * 5-2", "weekday: expected 0 to 7"),
        ("*/0 2 1 * *", "minute: expected 0 to 59"),
        ("0 ² 1 * *", "hour: expected a number"),
        ("0 2 1 1000 *", "month: expected a number"),
        ("0 2 1 * * ; rm", "expected 5 fields"),
    ],
)
def test_what_is_no_expression_is_refused_with_the_reason(expression: str, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Cron(expression=expression)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../../etc/passwd", ""])
def test_an_unknown_time_zone_is_refused(zone: str) -> None:
    with pytest.raises(ValidationError, match="expected a time zone such as"):
        Cron(expression="0 2 1 * *", time_zone=zone)
