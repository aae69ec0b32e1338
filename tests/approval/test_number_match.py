"""Number match: a wrong number is always refused, and the right one alone is no second factor."""

import asyncio

import pytest
from sqlalchemy import update

from responder.approval.number_match import number_for
from responder.audit import verify
from responder.errors import Refused
from responder.policy.tiers import Needs, Tier, TierRules
from responder.store.tables import asks
from tests.approval.desk import Asked
from tests.databases import on_both

NEEDS = Needs(people=2, stepped_up=1, number_match=True)
RIGHT = 42


async def _ask(asked: Asked, number: int | None = RIGHT, needs: Needs = NEEDS) -> None:
    await asked.ask(needs=needs)
    async with asked.store.transaction() as tx:
        await tx.execute(update(asks).values(number=number, tier="T3"))


async def test_with_its_number_and_a_second_factor_each_approves(asked: Asked) -> None:
    await _ask(asked)
    await asked.enrol("ana", "ben")
    assert (await asked.decide("a1", "ana", number=RIGHT))["state"] == "open"
    assert (await asked.decide("a1", "ben", number=RIGHT))["state"] == "approved"
    assert await asked.objection("a1") is None


async def test_without_its_number_a_line_says_where_it_stands(asked: Asked) -> None:
    await _ask(asked)
    await asked.enrol("ana")
    said = "approving it needs its number.*hint: responder approvals show a1"
    with pytest.raises(Refused, match=f"(?s){said}"):
        await asked.decide("a1", "ana")
    assert await asked.audited("wrong number") == []
    assert await asked.signed("a1") == []


@pytest.mark.parametrize("part", range(3))
async def test_every_wrong_number_is_refused_and_uses_no_code_up(asked: Asked, part: int) -> None:
    await asked.enrol("ana")
    wrong = [n for n in (*range(-1, 102), 4200, -RIGHT) if n != RIGHT][part::3]
    await asked.ask(*(f"a{n}" for n in wrong), needs=NEEDS)
    async with asked.store.transaction() as tx:
        await tx.execute(update(asks).values(number=RIGHT, tier="T3"))
    for number in wrong:
        with pytest.raises(Refused, match="that is not the number"):
            await asked.decide(f"a{number}", "ana", number=number)
        assert await asked.signed(f"a{number}") == []
    await asked.decide(f"a{wrong[0]}", "ana", number=RIGHT)


async def test_three_wrong_ones_end_a_person_s_part_in_that_ask_and_no_other(asked: Asked) -> None:
    await _ask(asked)
    await asked.enrol("ana", "ben", "cyd")
    for left in (2, 1):
        with pytest.raises(Refused, match=f"{left} more of your numbers"):
            await asked.decide("a1", "ana", number=10)
    assert await asked.told("wrong number/") == set()
    for number in (10, RIGHT, RIGHT):
        with pytest.raises(Refused, match=r"gave 3 wrong numbers .* can no longer approve it"):
            await asked.decide("a1", "ana", number=number)
    assert await asked.told("wrong number/") == {"security"}
    assert [entry.data["wrong"] for entry in await asked.audited("wrong number")] == [1, 2, 3]

    await asked.decide("a1", "ben", number=RIGHT)
    assert (await asked.decide("a1", "cyd", number=RIGHT))["state"] == "approved"
    assert (await verify(asked.store))[1] is None


async def test_who_may_no_longer_approve_may_still_deny(asked: Asked) -> None:
    await _ask(asked)
    for _ in range(3):
        with pytest.raises(Refused):
            await asked.decide("a1", "ana", number=11)
    assert (await asked.decide("a1", "ana", approve=False))["state"] == "denied"


@on_both
async def test_numbers_guessed_at_once_are_three_guesses(asked: Asked) -> None:
    await _ask(asked)
    await asked.enrol("ana")

    async def guess(number: int) -> str:
        try:
            await asked.decide("a1", "ana", number=number)
        except Refused as refused:
            return str(refused)
        return "approved"

    said = await asyncio.gather(*(guess(number) for number in range(50, 100)))
    assert len(await asked.audited("wrong number")) == 3
    assert "approved" not in said
    assert "gave 3 wrong numbers" in await guess(RIGHT)


async def test_an_ask_that_lost_its_number_is_approved_by_nobody(asked: Asked) -> None:
    await _ask(asked, number=None)
    await asked.enrol("ana")
    for number in (None, 0, RIGHT):
        with pytest.raises(Refused):
            await asked.decide("a1", "ana", number=number)


def test_a_number_is_two_digits_and_is_made_where_it_is_needed() -> None:
    made = [number_for(NEEDS) for _ in range(2000)]
    assert {min(n for n in made if n), max(n for n in made if n)} <= set(range(10, 100))
    assert len(set(made)) > 80
    assert number_for(Needs(people=1, stepped_up=1)) is None


def test_t3_needs_it_unless_the_settings_say_otherwise() -> None:
    rules = TierRules()
    assert [rules.asked(tier).number_match for tier in Tier] == [False, False, False, True]
    plain = Needs(people=2, stepped_up=1)
    assert TierRules(needs={Tier.T3: plain}).asked(Tier.T3).number_match is True
    without = plain.model_copy(update={"number_match": False})
    assert TierRules(needs={Tier.T3: without}).asked(Tier.T3).number_match is False
