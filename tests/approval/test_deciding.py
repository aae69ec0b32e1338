import asyncio
from collections.abc import Mapping
from datetime import timedelta

import pytest

from responder.audit import verify
from responder.errors import Refused
from responder.policy.tiers import Needs
from tests.approval.desk import DIGEST, TWO, Asked
from tests.databases import on_both

NO_CODE = Needs(people=1, stepped_up=0)
ROUNDS = 120


async def _refused(asked: Asked, who: str, said: str, **more: object) -> None:
    with pytest.raises(Refused, match=said):
        await asked.decide("a1", who, **more)  # type: ignore[arg-type]
    assert (await asked.row("a1"))["state"] == "open"
    assert await asked.signed("a1") == []


@on_both
async def test_one_person_with_a_code_approves(asked: Asked) -> None:
    await asked.ask()
    await asked.enrol("ana")
    ask = await asked.decide("a1", "ana", digest=DIGEST[:12])
    assert (ask["state"], ask["decided"]) == ("approved", asked.clock.now)
    (signed,) = await asked.signed("a1")
    assert asked.signer.verifier.holds(signed.document, signed.signature)
    assert isinstance(signed.document, dict)
    assert signed.document["factors"] == ["api token", "totp"]
    assert await verify(asked.store) == (1, None)


@pytest.mark.parametrize("who", ["vic", "api", "gone"])
@pytest.mark.parametrize("approve", [True, False])
async def test_who_may_not_decide_neither_approves_nor_denies(
    asked: Asked, who: str, approve: bool
) -> None:
    await asked.ask()
    await _refused(asked, who, "may not decide asks", approve=approve)


async def test_approving_needs_a_second_factor_and_denying_none(asked: Asked) -> None:
    await asked.ask()
    await _refused(asked, "ana", "needs a code of your second factor")
    await _refused(
        asked, "ana", "as a second factor yet.*\n\nhint: responder people enrol", code="123456"
    )
    assert (await asked.decide("a1", "ana", approve=False))["state"] == "denied"


async def test_a_wrong_code_is_refused(asked: Asked) -> None:
    await asked.ask()
    await asked.enrol("ana", "ben")
    await _refused(asked, "ana", "does not match", code=asked.code("ben"))


async def test_nobody_approves_what_they_asked_for(asked: Asked) -> None:
    await asked.ask(requester="ana")
    await asked.enrol("ana")
    await _refused(asked, "ana", "nobody may approve their own request; somebody else may")
    assert (await asked.decide("a1", "ana", approve=False))["state"] == "denied"


@pytest.mark.parametrize("digest", ["0" * 12, DIGEST[1:], DIGEST + "0", "AB" * 32])
async def test_who_looked_at_another_plan_approves_nothing(asked: Asked, digest: str) -> None:
    await asked.ask(needs=NO_CODE)
    await _refused(asked, "ana", "look again", digest=digest)


@pytest.mark.parametrize("length", [1, 11])
async def test_a_few_digits_of_a_digest_are_not_what_somebody_looked_at(
    asked: Asked, length: int
) -> None:
    await asked.ask(needs=NO_CODE)
    said = f"digest or its first 12 hex digits at least, found {length}; nothing was recorded"
    await _refused(asked, "ana", said, digest=DIGEST[:length])


async def test_an_approval_quotes_the_plan_and_a_denial_need_not(asked: Asked) -> None:
    await asked.ask(needs=NO_CODE)
    await _refused(asked, "ana", "expected the plan's digest .* found 0", digest="")
    assert (await asked.decide("a1", "ana", approve=False, digest=""))["state"] == "denied"


async def test_an_ask_that_is_not_there_is_refused(asked: Asked) -> None:
    with pytest.raises(Refused, match="there is no ask a9"):
        await asked.decide("a9", "ana")


@pytest.mark.parametrize("approve", [True, False])
async def test_an_ask_whose_time_is_up_takes_no_decision(asked: Asked, approve: bool) -> None:
    """Even before anybody has marked it expired."""
    await asked.ask(needs=NO_CODE, minutes=15)
    asked.clock.advance(minutes=15)
    await _refused(asked, "ana", "expired at", approve=approve)


async def test_a_second_click_is_refused_and_changes_nothing(asked: Asked) -> None:
    await asked.ask(needs=NO_CODE)
    await asked.decide("a1", "ana")
    for approve in (True, False):
        with pytest.raises(Refused, match="is approved since"):
            await asked.decide("a1", "ana", approve=approve)
    assert len(await asked.signed("a1")) == 1


async def test_two_people_are_a_quorum_and_one_person_twice_is_not(asked: Asked) -> None:
    await asked.ask(needs=TWO)
    await asked.enrol("ana", "ben")
    assert (await asked.decide("a1", "ana"))["state"] == "open"
    asked.clock.advance(seconds=30)
    with pytest.raises(Refused, match="ana has already decided ask a1"):
        await asked.decide("a1", "ana")
    with pytest.raises(Refused, match="ana has already decided ask a1"):
        await asked.decide("a1", "ana", approve=False)
    assert (await asked.decide("a1", "ben"))["state"] == "approved"
    assert await asked.objection("a1") is None


async def test_one_denial_ends_a_quorum_of_two(asked: Asked) -> None:
    await asked.ask(needs=TWO)
    await asked.enrol("ana", "ben")
    await asked.decide("a1", "ana")
    assert (await asked.decide("a1", "ben", approve=False))["state"] == "denied"


@on_both
async def test_of_a_hundred_clicks_at_once_exactly_one_counts(asked: Asked) -> None:
    await asked.ask(needs=NO_CODE)

    async def click(number: int) -> bool:
        try:
            await asked.decide("a1", ("ana", "ben")[number % 2])
        except Refused:
            return False
        return True

    assert sum(await asked_all(click, 100)) == 1
    assert len(await asked.signed("a1")) == 1
    assert await verify(asked.store) == (1, None)


@on_both
async def test_of_a_hundred_clicks_of_two_people_at_once_each_person_decides_once(
    asked: Asked,
) -> None:
    """Both clicked fifty times, approving and denying by turns: one decision an ask and person."""
    for name in ("a1", "a2"):
        await asked.ask(name, needs=Needs(people=2, stepped_up=0))

        async def click(number: int, ask: str = name) -> bool:
            who = ("ana", "ben")[number % 2]
            try:
                await asked.decide(ask, who, approve=ask == "a1" or number % 4 < 2)
            except Refused:
                return False
            return True

        await asked_all(click, 100)
        people = [row.document["principal"] for row in await asked.signed(name)]  # type: ignore[index,call-overload]
        assert len(people) == len(set(people))
    assert len(await asked.signed("a1")) == 2
    assert (await asked.row("a1"))["state"] == "approved"
    assert (await verify(asked.store))[1] is None


@on_both
async def test_of_an_approval_and_a_denial_at_once_the_record_and_the_ask_agree(
    asked: Asked,
) -> None:
    for number in range(10):
        name = await asked.ask(f"a{number}", needs=NO_CODE)
        await asyncio.gather(
            asked.decide(name, "ana"), asked.decide(name, "ben", approve=False),
            return_exceptions=True,
        )  # fmt: skip
        (signed,) = await asked.signed(name)
        assert isinstance(signed.document, dict)
        state = (await asked.row(name))["state"]
        assert state == ("approved" if signed.document["approve"] else "denied")


async def asked_all(click: object, count: int) -> list[bool]:
    """All clicks at once."""
    return list(await asyncio.gather(*(click(n) for n in range(count))))  # type: ignore[operator]


@on_both
async def test_a_decision_at_the_last_moment_and_the_expiry_agree_on_who_won(
    asked: Asked,
) -> None:
    """Just before an ask's end, at it and just after it, with either of the two first."""
    names = [f"a{number}" for number in range(ROUNDS)]
    await asked.ask(*names, needs=NO_CODE, minutes=1)
    first = dict(await asked.row(names[0]))
    rows = {name: {**first, "id": name} for name in names}
    end = first["expires"]
    results: dict[str, list[object]] = {}

    gate = asyncio.Semaphore(4)

    async def expire(number: int, name: str) -> bool:
        await asyncio.sleep(number % 10 * 0.004)
        return await asked.expire(rows[name])

    async def race(number: int, name: str) -> None:
        async with gate:
            racers = (asked.decide(name, "ana"), expire(number, name))
            results[name] = list(await asyncio.gather(*racers, return_exceptions=True))

    for offset in (-1, 0, 1):
        asked.clock.now = end + timedelta(microseconds=offset)
        group = [(n, name) for n, name in enumerate(names) if n % 3 == offset + 1]
        await asyncio.gather(*(race(n, name) for n, name in group))

    won = {"approved": 0, "expired": 0}
    states = await asked.states()
    for name in names:
        decided = sum(isinstance(r, Mapping) for r in results[name])
        assert decided + results[name].count(True) == 1, results[name]
        assert states[name] == (("approved", 1) if decided else ("expired", 0))
        won[states[name][0]] += 1
    assert min(won.values()) > 0
    assert (await verify(asked.store))[1] is None
