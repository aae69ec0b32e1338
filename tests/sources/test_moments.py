from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from responder.sources.moments import moment, stamp

WHEN = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
SECONDS = int(WHEN.timestamp())


@pytest.mark.parametrize(
    "written",
    [
        "2026-03-04T05:06:07Z", "2026-03-04T05:06:07z", "2026-03-04 05:06:07",
        "2026-03-04T05:06:07+00:00", "2026-03-04T05:06:07.000+0000", "2026-03-04T06:06:07+01",
        "2026-03-04T06:06:07.000000000+01.00", "2026-03-03T23:36:07-05:30",
        "2026-03-04 05:06:07 UTC", "2026-03-04T05:06:07,000000Z",
        SECONDS, float(SECONDS), str(SECONDS), f"{SECONDS}.0", SECONDS * 10**3, SECONDS * 10**6,
        SECONDS * 10**9, str(SECONDS * 10**9), (SECONDS + 11_644_473_600) * 10**7,
    ],
)  # fmt: skip
def test_every_form_senders_use_is_the_same_time(written: JsonValue) -> None:
    assert moment(written) == WHEN


@pytest.mark.parametrize(
    ("fraction", "microseconds"), [("1", 100_000), ("1234567", 123_456), ("999999999", 999_999)]
)
def test_a_fraction_is_cut_to_microseconds(fraction: str, microseconds: int) -> None:
    expected = WHEN + timedelta(microseconds=microseconds)
    assert moment(f"2026-03-04T05:06:07.{fraction}Z") == expected


@pytest.mark.parametrize(
    "written",
    [
        None, True, {}, [], "", "soon", "2026-03-04", "2026-13-04T05:06:07Z",
        "2026-02-30T05:06:07Z", "2026-03-04T05:06:60Z", "2026-03-04T05:06:07+99:99",
        "2026-03-04T05:06:07Z\n",
        "\uff12\uff10\uff12\uff16-03-04T05:06:07Z", "0001-01-01T00:00:00Z",
        "1970-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", 0, -1, 1e300, float("nan"),
        float("inf"), 10**30, "1_700_000_000", "nan",
    ],
)  # fmt: skip
def test_what_no_sender_can_mean_is_no_time(written: JsonValue) -> None:
    assert moment(written) is None


# Letters of its own: hypothesis takes seconds to list all of Unicode when it runs first.
WRITING = st.text(alphabet="0123456789-:.,+ TZzUTC\n\uff12é")


@given(st.one_of(WRITING, st.floats(), st.integers()))
def test_whatever_is_written_is_a_utc_time_or_none(written: JsonValue) -> None:
    found = moment(written)
    assert found is None or found.utcoffset() == timedelta(0)


def test_a_stamp_is_the_same_for_every_spelling() -> None:
    assert stamp(moment("2026-03-04T06:06:07+01:00") or WHEN) == "20260304T050607.000000Z"
