"""Lengths of time as people type them."""

from datetime import timedelta

import pytest
from pydantic import TypeAdapter, ValidationError

from responder.durations import Duration

READ = TypeAdapter(Duration)


@pytest.mark.parametrize(
    ("typed", "length"),
    [
        ("2h", timedelta(hours=2)),
        ("30m", timedelta(minutes=30)),
        ("1h30m", timedelta(minutes=90)),
        ("1d 12h", timedelta(hours=36)),
        ("90S", timedelta(seconds=90)),
        ("PT2H", timedelta(hours=2)),
        ("P1DT1H", timedelta(hours=25)),
    ],
)
def test_what_people_type_is_a_length(typed: str, length: timedelta) -> None:
    assert READ.validate_python(typed) == length


@pytest.mark.parametrize("typed", ["", "soon", "2x", "h", "-2h", "0m", "2h3", "PT0S", "-PT1H"])
def test_what_is_no_length_is_refused(typed: str) -> None:
    with pytest.raises(ValidationError):
        READ.validate_python(typed)
