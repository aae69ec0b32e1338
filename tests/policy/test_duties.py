"""Deadlines of reports: a table of cases, worked out by hand from the texts."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from responder.policy.duties import REGIMES, Regime, Regimes, Stage, State, months_later, plan


def at(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


# Regime, zone, aware, classified, when the stages were done in their order, and of which stage what
# state and deadline are expected; `-` where there is none, UTC where no offset stands.
CASES = [
    # GDPR: 72 hours, whatever lies between.
    "gdpr UTC 2026-03-04T12:00 - - notification running 2026-03-07T12:00",
    "gdpr UTC 2026-11-20T17:30 - - notification running 2026-11-23T17:30",
    "gdpr Europe/Berlin 2026-03-28T12:00+01:00 - - notification running 2026-03-31T13:00+02:00",
    "gdpr Europe/Berlin 2026-10-24T12:00+02:00 - - notification running 2026-10-27T11:00+01:00",
    "gdpr UTC 2028-02-27T08:00 - - notification running 2028-03-01T08:00",
    "gdpr UTC 2027-02-27T08:00 - - notification running 2027-03-02T08:00",
    "gdpr UTC 2026-12-30T23:59 - - notification running 2027-01-02T23:59",
    "gdpr UTC 2026-03-04T12:00 - 2026-03-05T09:00 notification done 2026-03-07T12:00",
    # NIS2: 24 h and 72 h from awareness, the final report a month after the notification was sent.
    "nis2 UTC 2026-03-04T12:00 - - early-warning running 2026-03-05T12:00",
    "nis2 UTC 2026-03-04T12:00 - - notification running 2026-03-07T12:00",
    "nis2 UTC 2026-03-04T12:00 - - final projected 2026-04-07T12:00",
    "nis2 UTC 2026-03-04T12:00 - -,2026-03-05T10:00 final running 2026-04-05T10:00",
    "nis2 UTC 2026-01-30T12:00 - -,2026-01-31T10:00 final running 2026-02-28T10:00",
    "nis2 UTC 2028-01-30T12:00 - -,2028-01-31T10:00 final running 2028-02-29T10:00",
    "nis2 UTC 2026-03-30T12:00 - -,2026-03-31T10:00 final running 2026-04-30T10:00",
    "nis2 UTC 2028-02-28T12:00 - -,2028-02-29T10:00 final running 2028-03-29T10:00",
    "nis2 UTC 2026-12-30T12:00 - -,2026-12-31T10:00 final running 2027-01-31T10:00",
    "nis2 Europe/Berlin 2026-02-27T12:00+01:00 - -,2026-02-28T12:00+01:00 final running 2026-03-28T12:00+01:00",
    "nis2 Europe/Berlin 2026-03-01T12:00+01:00 - -,2026-03-02T12:00+01:00 final running 2026-04-02T12:00+02:00",
    "nis2 Europe/Berlin 2026-10-01T12:00+02:00 - -,2026-10-02T12:00+02:00 final running 2026-11-02T12:00+01:00",
    "nis2 Europe/Berlin 2026-02-28T01:00+01:00 - -,2026-02-28T02:30+01:00 final running 2026-03-28T02:30+01:00",
    "nis2 Europe/Berlin 2026-02-28T01:00+01:00 - -,2026-03-01T00:30+01:00 final running 2026-04-01T00:30+02:00",
    # The same instant, counted in another zone, is on another day: and so is the deadline.
    "nis2 America/New_York 2026-03-01T03:00 - -,2026-03-01T03:30 final running 2026-03-28T22:30-04:00",
    # DORA: 4 h from classification and 24 h from awareness, whichever is first.
    "dora UTC 2026-03-04T12:00 - - initial unclassified 2026-03-05T12:00",
    "dora UTC 2026-03-04T12:00 2026-03-04T13:00 - initial running 2026-03-04T17:00",
    "dora UTC 2026-03-04T12:00 2026-03-05T08:00 - initial running 2026-03-05T12:00",
    "dora UTC 2026-03-04T12:00 2026-03-05T09:30 - initial running 2026-03-05T12:00",
    "dora UTC 2026-03-04T12:00 2026-03-05T12:00 - initial running 2026-03-05T12:00",
    # Classified as major only after 24 h (Art. 5(2)): four hours from then.
    "dora UTC 2026-03-04T12:00 2026-03-05T12:00:01 - initial running 2026-03-05T16:00:01",
    "dora UTC 2026-03-04T12:00 2026-03-09T10:00 - initial running 2026-03-09T14:00",
    "dora Europe/Berlin 2026-03-28T12:00+01:00 2026-03-29T01:00+01:00 - initial running 2026-03-29T06:00+02:00",
    "dora Europe/Berlin 2026-10-24T12:00+02:00 2026-10-25T01:00+02:00 - initial running 2026-10-25T04:00+01:00",
    "dora Europe/Berlin 2026-10-24T12:00+02:00 - - initial unclassified 2026-10-25T11:00+01:00",
    "dora UTC 2026-03-04T12:00 2026-03-04T13:00 - intermediate projected 2026-03-07T17:00",
    "dora UTC 2026-03-04T12:00 2026-03-04T13:00 2026-03-04T14:00 intermediate running 2026-03-07T14:00",
    "dora UTC 2026-03-04T12:00 2026-03-04T13:00 2026-03-04T14:00,2026-03-06T10:00 final running 2026-04-06T10:00",
    "dora UTC 2026-01-29T12:00 2026-01-29T13:00 2026-01-29T14:00,2026-01-31T23:59 final running 2026-02-28T23:59",
    "dora UTC 2028-01-29T12:00 2028-01-29T13:00 2028-01-29T14:00,2028-01-30T23:59 final running 2028-02-29T23:59",
    "dora UTC 2026-03-04T12:00 - - final projected 2026-04-08T12:00",
    # Sent late: what follows is counted from when it was sent, not from when it should have been.
    "dora UTC 2026-03-04T12:00 2026-03-04T13:00 2026-03-06T13:00 intermediate running 2026-03-09T13:00",
]


@pytest.mark.parametrize("case", CASES)
def test_what_is_due_when(case: str) -> None:
    name, zone, aware, classified, sent, stage, state, due = case.split()
    regime = REGIMES[name].model_copy(update={"zone": zone})
    stages = (one.name for one in regime.stages)
    done = {
        one: at(moment)
        for one, moment in zip(stages, sent.split(","), strict=False)
        if moment != "-"
    }
    planned = plan(regime, at(aware), None if classified == "-" else at(classified), done)
    found = next(one for one in planned if one.stage == stage)
    assert (found.state, found.due) == (State(state), at(due))
    assert found.began <= found.due


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 40


moments = st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - the bounds are naive by design


@given(moments, st.integers(1, 24), st.sampled_from(["UTC", "Europe/Berlin", "America/New_York"]))
def test_a_month_later_is_the_same_day_or_the_last_and_never_later(
    moment: datetime, months: int, zone: str
) -> None:
    later = months_later(moment, months, zone)
    assert timedelta(days=28 * months - 1) <= later - moment <= timedelta(days=31 * months, hours=1)


@given(moments, moments)
def test_who_was_aware_later_never_has_less_time(one: datetime, other: datetime) -> None:
    first, second = sorted((one, other))
    for name in ("gdpr", "nis2"):
        regime = REGIMES[name]
        for early, late in zip(plan(regime, first), plan(regime, second), strict=True):
            assert early.due <= late.due


@given(moments, st.timedeltas(timedelta(0), timedelta(days=9)))
def test_dora_never_gives_more_than_four_hours_or_a_day_if_it_was_classified_in_time(
    aware: datetime, later: timedelta
) -> None:
    initial = plan(REGIMES["dora"], aware, aware + later)[0]
    assert initial.due <= aware + later + timedelta(hours=4)
    if later <= timedelta(hours=24):
        assert initial.due <= aware + timedelta(hours=24)
    else:
        assert initial.due == aware + later + timedelta(hours=4)


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([{"name": "one"}], "expected one of `within` and `months`"),
        ([{"name": "one", "within": "PT1H", "months": 1}], "expected one of"),
        ([{"name": "one", "within": "PT1H", "after": "none"}], "after none, which is no stage"),
        ([{"name": "one", "within": "PT1H"}, {"name": "one", "within": "PT2H"}], "two stages"),
        ([{"name": "one", "within": "PT1H", "after": "classified"}], "`latest` is of stages after"),
        ([{"name": "one", "within": "PT1H", "latest": "PT1H"}], "`latest` is of stages after"),
        ([], "at least 1 item"),
    ],
)
def test_a_regime_that_cannot_be_counted_is_refused(
    stages: list[dict[str, object]], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        Regime.model_validate({"title": "ours", "stages": stages})


def test_a_contract_of_ones_own_is_a_regime_like_any_other() -> None:
    ours = Regime(title="contract", stages=(Stage(name="customer", within=timedelta(hours=8)),))
    [due] = plan(ours, at("2026-03-04T12:00"))
    assert due.due == at("2026-03-04T20:00")
    assert not ours.classifies
    assert REGIMES["dora"].classifies


def test_regimes_of_ones_own_are_laid_over_the_known_ones() -> None:
    ours = {"title": "ours", "stages": [{"name": "notice", "within": "PT8H"}]}
    found = TypeAdapter(Regimes).validate_python({"customer": ours, "gdpr": ours})
    assert set(found) == {"customer", "gdpr", "nis2", "dora"}
    assert [stage.name for stage in found["gdpr"].stages] == ["notice"]
