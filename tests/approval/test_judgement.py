"""A worker's last look, just before the effect: what does not suffice, and why."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from responder.approval.decision import Decision, Signed
from responder.crypto.signing import Signer
from responder.people.person import Role
from tests.approval.desk import DIGEST, ONE, PEOPLE, TWO, Asked


def sign(asked: Asked, *, signer: Signer | None = None, **changed: Any) -> Signed:
    """A decision that suffices alone, but for what is *changed*."""
    decision = Decision.model_validate(
        {
            "ask": "a1", "digest": DIGEST, "principal": "ana", "approve": True, "method": "token",
            "factors": ("token", "totp"), "issued": asked.clock.now,
            "expires": asked.clock.now + timedelta(minutes=30), "nonce": "0", "policy": "p",
            **changed,
        }
    )  # fmt: skip
    return Signed(
        document=decision.document, signature=(signer or asked.signer).sign(decision.document)
    )


async def _approved(asked: Asked, **changed: object) -> dict[str, object]:
    await asked.ask()
    return {**dict(await asked.row("a1")), "state": "approved", **changed}


async def test_one_stepped_up_decision_of_this_plan_suffices(asked: Asked) -> None:
    ask = await _approved(asked)
    assert await asked.objection("a1", ask=ask, signed=[sign(asked)]) is None


async def test_who_gave_a_ticket_and_who_used_it_just_then_are_one_person(asked: Asked) -> None:
    ask = await _approved(asked, needs=TWO.model_dump(mode="json"))
    for vouched, found in (((), None), (("ben",), "1 of 2 people"), (("vic",), None)):
        signed = [sign(asked), sign(asked, principal="ben")]
        signed[0] = sign(asked, vouched_by=vouched)
        said = await asked.objection("a1", ask=ask, signed=signed)
        assert (said or "").startswith(found or ""), vouched
        assert (said is None) is (found is None), vouched
    third = [*signed[1:], sign(asked, vouched_by=("ben",)), sign(asked, principal="cyd")]
    assert await asked.objection("a1", ask=ask, signed=third) is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"digest": "cd" * 32}, "about another plan", id="another plan"),
        pytest.param({"ask": "a2"}, "about another plan", id="another ask"),
        pytest.param({"approve": False}, "ana denied it", id="a denial"),
        pytest.param({"principal": "vic"}, "0 of 1 people", id="somebody who may not decide"),
        pytest.param({"principal": "api"}, "0 of 1 people", id="a program"),
        pytest.param({"principal": "gone"}, "0 of 1 people", id="somebody who left"),
        pytest.param({"principal": "nobody"}, "0 of 1 people", id="somebody unknown"),
        pytest.param({"factors": ("token",)}, "0 of 1 needed gave a second", id="no step-up"),
        pytest.param(
            {"factors": ("token", "token")}, "needed gave a second", id="one factor twice"
        ),
        pytest.param({"factors": ()}, "0 of 1 needed gave a second", id="no factor at all"),
    ],
)
async def test_a_decision_that_does_not_suffice_is_told_why(
    asked: Asked, changed: dict[str, Any], said: str
) -> None:
    ask = await _approved(asked)
    found = await asked.objection("a1", ask=ask, signed=[sign(asked, **changed)])
    assert found is not None
    assert said in found


@pytest.mark.parametrize("state", ["open", "denied", "expired", "", "APPROVED"])
async def test_an_ask_that_is_not_approved_lets_nothing_through(asked: Asked, state: str) -> None:
    ask = await _approved(asked, state=state)
    found = await asked.objection("a1", ask=ask, signed=[sign(asked)])
    assert found == f"ask a1 is {state}, not approved"


async def test_an_ask_about_another_plan_lets_nothing_through(asked: Asked) -> None:
    ask = await _approved(asked)
    found = await asked.objection("a1", ask=ask, signed=[sign(asked)], digest="cd" * 32)
    assert found is not None
    assert "decided for another plan" in found


async def test_a_signature_of_another_key_lets_nothing_through(asked: Asked) -> None:
    ask = await _approved(asked)
    forged = sign(asked, signer=Signer(Ed25519PrivateKey.generate()))
    found = await asked.objection("a1", ask=ask, signed=[forged])
    assert found == "a decision on ask a1 is not signed by the approval service"


@pytest.mark.parametrize("field", sorted(Decision.model_fields))
async def test_a_signed_decision_in_which_anything_was_changed_lets_nothing_through(
    asked: Asked, field: str
) -> None:
    ask = await _approved(asked)
    good = sign(asked)
    assert isinstance(good.document, dict)
    value = good.document[field]
    changed = {**good.document, field: not value if isinstance(value, bool) else f"{value}x"}
    for document in (changed, {k: v for k, v in good.document.items() if k != field}):
        bad = good.model_copy(update={"document": document})
        found = await asked.objection("a1", ask=ask, signed=[bad])
        assert found == "a decision on ask a1 is not signed by the approval service"


async def test_one_forged_decision_among_good_ones_stops_everything(asked: Asked) -> None:
    ask = await _approved(asked)
    forged = sign(asked, principal="ben").model_copy(update={"signature": "00" * 64})
    found = await asked.objection("a1", ask=ask, signed=[sign(asked), forged])
    assert found is not None
    assert "not signed" in found


async def test_a_denial_wins_over_any_number_of_approvals(asked: Asked) -> None:
    ask = await _approved(asked)
    signed = [
        sign(asked),
        sign(asked, principal="cyd"),
        sign(asked, principal="ben", approve=False),
    ]
    assert await asked.objection("a1", ask=ask, signed=signed) == "ben denied it"


async def test_an_ask_whose_approval_was_taken_back_lets_nothing_through(asked: Asked) -> None:
    ask = await _approved(asked, state="revoked")
    found = await asked.objection("a1", ask=ask, signed=[sign(asked)])
    assert found == "its approval was taken back"


async def test_a_decision_that_was_taken_back_does_not_count(asked: Asked) -> None:
    ask = await _approved(asked)
    taken_back = sign(asked).model_copy(update={"revoked": asked.clock.now})
    assert await asked.objection("a1", ask=ask, signed=[taken_back]) == (
        "0 of 1 people needed have approved"
    )


@pytest.mark.parametrize("lost", ["active", "role", "person"])
async def test_who_lost_the_right_since_does_not_count(asked: Asked, lost: str) -> None:
    ask = await _approved(asked)
    people = dict(PEOPLE)
    match lost:
        case "active":
            people["ana"] = people["ana"].model_copy(update={"active": False})
        case "role":
            people["ana"] = people["ana"].model_copy(update={"roles": (Role.VIEWER,)})
        case _:
            del people["ana"]
    found = await asked.objection("a1", ask=ask, signed=[sign(asked)], people=people)
    assert found == "0 of 1 people needed have approved"


async def test_who_asked_does_not_count(asked: Asked) -> None:
    ask = await _approved(asked, requester="ana")
    found = await asked.objection("a1", ask=ask, signed=[sign(asked)])
    assert found == "0 of 1 people needed have approved"


async def test_a_quorum_counts_people_not_decisions(asked: Asked) -> None:
    ask = await _approved(asked, needs=TWO.model_dump(mode="json"))
    for signed in ([sign(asked)], [sign(asked), sign(asked, nonce="1")]):
        found = await asked.objection("a1", ask=ask, signed=signed)
        assert found == "1 of 2 people needed have approved"
    both = [sign(asked), sign(asked, principal="ben", factors=("token",))]
    assert await asked.objection("a1", ask=ask, signed=both) is None


async def test_no_decision_at_all_lets_nothing_through(asked: Asked) -> None:
    ask = await _approved(asked)
    assert await asked.objection("a1", ask=ask, signed=[]) == "0 of 1 people needed have approved"


async def test_execute_by_stops_what_has_not_begun_and_not_what_has(asked: Asked) -> None:
    ask = await _approved(asked)
    signed = [sign(asked)]
    last = asked.clock.now + timedelta(minutes=30)
    late = last + timedelta(microseconds=1)
    assert await asked.objection("a1", ask=ask, signed=signed, now=last) is None
    found = await asked.objection("a1", ask=ask, signed=signed, now=late)
    assert found is not None
    assert "execute-by has passed" in found
    assert await asked.objection("a1", ask=ask, signed=signed, now=late, begun=True) is None


async def test_execute_by_counts_from_the_approval_that_was_the_last_needed(asked: Asked) -> None:
    await asked.ask(needs=TWO, minutes=15)
    await asked.enrol("ana", "ben")
    await asked.decide("a1", "ana")
    asked.clock.advance(minutes=14)
    ask = await asked.decide("a1", "ben")
    last = asked.clock.now + timedelta(minutes=15)
    assert ask["execute_by"] == last
    assert await asked.objection("a1", now=last) is None
    late = await asked.objection("a1", now=last + timedelta(microseconds=1))
    assert late == f"execute-by has passed ({last:%H:%M:%S} UTC); ask again"


async def test_execute_by_does_not_wait_for_the_asks_own_end(asked: Asked) -> None:
    """An ask that would have waited for a day is not good for a day once it is approved."""
    await asked.ask(minutes=24 * 60)
    await asked.enrol("ana")
    await asked.decide("a1", "ana")
    assert await asked.objection("a1", now=asked.clock.now + timedelta(minutes=15)) is None
    found = await asked.objection("a1", now=asked.clock.now + timedelta(minutes=15, seconds=1))
    assert found is not None


async def test_a_row_can_end_execute_by_earlier_and_not_later_than_was_signed(asked: Asked) -> None:
    signed = [sign(asked)]
    end = asked.clock.now + timedelta(minutes=30)
    approved = await _approved(asked)
    for stated, last in ((end - timedelta(minutes=5),) * 2, (end + timedelta(days=1), end)):
        ask = {**approved, "execute_by": stated}
        assert await asked.objection("a1", ask=ask, signed=signed, now=last) is None
        late = last + timedelta(microseconds=1)
        assert await asked.objection("a1", ask=ask, signed=signed, now=late) is not None


async def test_what_the_service_recorded_satisfies_the_worker(asked: Asked) -> None:
    await asked.ask(needs=ONE)
    await asked.enrol("ana")
    await asked.decide("a1", "ana")
    assert await asked.objection("a1") is None
