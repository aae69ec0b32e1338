import asyncio
from datetime import UTC, datetime

import pytest
from pyotp.totp import TOTP
from sqlalchemy import insert, select, update

from responder.approval import tickets, totp
from responder.errors import Refused, ResponderError
from responder.store.factors import factor_tries, factors
from tests.approval.desk import Asked
from tests.databases import on_both


async def _check(asked: Asked, code: str, who: str = "ana") -> None:
    await totp.check(asked.store, asked.ring, who, code, asked.clock.now)


@pytest.mark.parametrize("steps", [-1, 0, 1])
async def test_one_step_of_clock_difference_either_way_is_accepted(
    asked: Asked, steps: int
) -> None:
    await asked.enrol("ana")
    await _check(asked, asked.code("ana", steps=steps))


@pytest.mark.parametrize("steps", [-3, -2, 2, 3])
async def test_more_difference_is_not(asked: Asked, steps: int) -> None:
    await asked.enrol("ana")
    with pytest.raises(Refused, match="does not match"):
        await _check(asked, asked.code("ana", steps=steps))


async def test_the_codes_are_those_of_rfc_6238(asked: Asked) -> None:
    """Appendix B, SHA-1, cut to six digits: what every authenticator app shows."""
    await asked.enrol("ana")
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    sealed = asked.ring.seal_whole(secret.encode(), purpose="totp/ana")
    async with asked.store.transaction() as tx:
        await tx.execute(update(factors).values(secret=sealed))
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (2000000000, "279037")):
        asked.clock.now = datetime.fromtimestamp(seconds, UTC)
        await _check(asked, code)


@on_both
async def test_of_fifty_uses_of_one_code_at_once_exactly_one_is_accepted(asked: Asked) -> None:
    await asked.enrol("ana")
    code = asked.code("ana")

    async def use() -> bool:
        try:
            await _check(asked, code)
        except Refused:
            return False
        return True

    assert sum(await asyncio.gather(*(use() for _ in range(50)))) == 1


async def test_a_code_that_was_used_and_any_before_it_are_used_up(asked: Asked) -> None:
    await asked.enrol("ana")
    await _check(asked, asked.code("ana"))
    for steps in (0, -1):
        with pytest.raises(Refused, match="was used before; wait for the next one"):
            await _check(asked, asked.code("ana", steps=steps))
    asked.clock.advance(seconds=30)
    await _check(asked, asked.code("ana"))


async def _five_wrong(asked: Asked) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match="does not match"):
            await _check(asked, "nonsense")


async def test_the_sixth_try_in_a_row_is_not_even_looked_at(asked: Asked) -> None:
    await asked.enrol("ana")
    await _five_wrong(asked)
    with pytest.raises(Refused, match="5 codes in a row were wrong; no code is looked at until"):
        await _check(asked, asked.code("ana"))

    asked.clock.advance(minutes=5)
    await _check(asked, asked.code("ana"))
    async with asked.store.reading() as tx:
        assert (await tx.execute(select(factor_tries))).all() == []


@on_both
async def test_each_wait_is_longer_than_the_one_before(asked: Asked) -> None:
    await asked.enrol("ana")
    for minutes in (5, 15, 60, 24 * 60, 24 * 60):
        await _five_wrong(asked)
        asked.clock.advance(minutes=minutes, seconds=-1)
        with pytest.raises(Refused, match="no code is looked at"):
            await _check(asked, asked.code("ana"))
        asked.clock.advance(seconds=1)
    await _check(asked, asked.code("ana"))
    await _five_wrong(asked)
    asked.clock.advance(minutes=5)
    await _check(asked, asked.code("ana"))


async def test_slow_guessing_does_not_get_around_the_wait(asked: Asked) -> None:
    await asked.enrol("ana")
    for _ in range(5):
        with pytest.raises(Refused, match="does not match"):
            await _check(asked, "nonsense")
        asked.clock.advance(hours=2)
    asked.clock.advance(hours=-2)
    with pytest.raises(Refused, match="no code is looked at"):
        await _check(asked, asked.code("ana"))


async def test_a_ticket_ends_the_wait(asked: Asked) -> None:
    await asked.enrol("ana")
    await _five_wrong(asked)
    ticket = await tickets.issue(asked.store, "ana", "ben", asked.clock.now)
    async with asked.store.transaction() as tx:
        await tickets.redeem(tx, "ana", tickets.digest(ticket), asked.clock.now)
    await _check(asked, asked.code("ana"))


async def test_wrong_codes_are_audited_and_told_before_they_are_many(asked: Asked) -> None:
    await asked.enrol("ana")
    told = []
    for _ in range(5):
        with pytest.raises(Refused, match="does not match"):
            await _check(asked, "nonsense")
        told.append(await asked.told("factor-refused/ana/"))
    assert told == [set(), set(), {"ana"}, {"ana"}, {"ana", "security"}]
    for _ in range(3):
        with pytest.raises(Refused, match="no code is looked at"):
            await _check(asked, "nonsense")
    rows = await asked.audited("factor-refused")
    assert [row.data["in_a_row"] for row in rows] == [1, 2, 3, 4, 5]
    assert len(await asked.audited("factor-locked")) == 1


async def test_tries_that_an_older_version_counted_still_do(asked: Asked) -> None:
    await asked.enrol("ana")
    kept = [asked.clock.now.isoformat()] * 4
    async with asked.store.transaction() as tx:
        await tx.execute(insert(factor_tries).values(principal="ana", tries=kept))
    with pytest.raises(Refused, match="does not match"):
        await _check(asked, "nonsense")
    with pytest.raises(Refused, match="no code is looked at"):
        await _check(asked, asked.code("ana"))


async def test_tries_at_once_are_all_counted(asked: Asked) -> None:
    await asked.enrol("ana")
    wrong = [f"{n:06}" for n in range(40) if f"{n:06}" not in _good(asked)]
    results = await asyncio.gather(*(_check(asked, w) for w in wrong), return_exceptions=True)
    looked_at = [r for r in results if "does not match" in str(r)]
    assert len(looked_at) == 5


async def test_one_person_s_wrong_codes_do_not_lock_another_one_out(asked: Asked) -> None:
    await asked.enrol("ana", "ben")
    for _ in range(6):
        with pytest.raises(Refused):
            await _check(asked, "nonsense")
    await _check(asked, asked.code("ben"), "ben")


async def test_what_only_looks_like_the_code_is_not_the_code(asked: Asked) -> None:
    await asked.enrol("ana")
    code = asked.code("ana")
    full_width = "".join(chr(ord(c) + 0xFEE0) for c in code)
    arabic = "".join(chr(ord(c) - ord("0") + 0x660) for c in code)
    for looks in (full_width, arabic, f" {code}", f"{code} ", f"{code}\n", f"+{code[1:]}", code[:5],
                  f"0{code}", code + "0", "", "\0" * 6, f"{code[:3]} {code[3:]}"):  # fmt: skip
        asked.clock.advance(days=1)
        with pytest.raises(Refused, match="does not match"):
            await _check(asked, looks if looks != code else "x")


async def test_a_new_enrolment_ends_the_old_secret_and_its_lock(asked: Asked) -> None:
    await asked.enrol("ana")
    old = asked.secrets["ana"]
    for _ in range(5):
        with pytest.raises(Refused):
            await _check(asked, "nonsense")
    await asked.enrol("ana")
    with pytest.raises(Refused, match="does not match"):
        await _check(asked, TOTP(old).at(asked.clock.now))
    await _check(asked, asked.code("ana"))


async def test_a_secret_is_kept_sealed_and_for_its_owner_alone(asked: Asked) -> None:
    await asked.enrol("ana", "ben")
    kept = (await asked.factor("ana")).secret
    assert asked.secrets["ana"].encode() not in kept
    async with asked.store.transaction() as tx:
        this = update(factors).where(factors.c.principal == "ben")
        await tx.execute(this.values(secret=kept))
    with pytest.raises(ResponderError, match="was changed since"):
        await _check(asked, asked.code("ana"), "ben")


def _good(asked: Asked) -> set[str]:
    return {asked.code("ana", steps=s) for s in (-1, 0, 1)}
