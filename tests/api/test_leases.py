"""What the routes of leases accept."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from responder.api.leases import ChallengeFor, EndingOf, ExtensionOf
from responder.policy.leases import LeaseKind

UNTIL = "2026-11-22T18:00:00Z"


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (EndingOf, {}, "expected one of hold and resource"),
        (EndingOf, {"hold": "a", "resource": "b"}, "expected one of hold and resource"),
        (ExtensionOf, {"hold": "a"}, "expected one of lasts and until"),
        (ExtensionOf, {"hold": "a", "lasts": "2h", "until": UNTIL}, "one of lasts and until"),
        (ExtensionOf, {"hold": "a", "until": "2026-11-22T18:00:00"}, "expected a time zone"),
        (ExtensionOf, {"hold": "a", "lasts": "-PT1H"}, "greater than"),
        (ChallengeFor, {"hold": "a", "lasts": "2h", "until": UNTIL}, "one of lasts and until"),
    ],
)
def test_what_does_not_say_one_thing_is_refused(
    model: type[EndingOf], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        model.model_validate(given)


def test_a_passkey_is_asked_for_exactly_what_is_then_done() -> None:
    ending = {"resource": "block/edge/203.0.113.7"}
    assert ChallengeFor.model_validate(ending).wish == EndingOf.model_validate(ending).wish
    longer = ending | {"lasts": "2h"}
    wish = ExtensionOf.model_validate(longer).wish
    assert ChallengeFor.model_validate(longer).wish == wish
    assert (wish.kind, wish.lasts) == (LeaseKind.EXTEND, timedelta(hours=2))
    until = ExtensionOf.model_validate(ending | {"until": UNTIL}).wish.until
    assert until == datetime(2026, 11, 22, 18, tzinfo=UTC)
