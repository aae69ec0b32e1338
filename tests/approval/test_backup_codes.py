"""Backup codes: ten, each good once, however many try it at once."""

import asyncio
import time

import pytest
from sqlalchemy import select

from responder.approval import backup_codes
from responder.approval.step_up import step_up
from responder.audit import verify
from responder.errors import Refused
from responder.store.factors import backup_codes as rows
from tests.approval.desk import ORIGIN, Asked
from tests.databases import on_both


async def _renew(asked: Asked, who: str = "ana") -> list[str]:
    return await backup_codes.renew(asked.store, asked.ring, who, who, asked.clock.now)


async def _check(asked: Asked, code: str, who: str = "ana") -> None:
    await backup_codes.check(asked.store, asked.ring, who, code, asked.clock.now)


async def _left(asked: Asked, who: str = "ana") -> int | None:
    async with asked.store.reading() as tx:
        return await backup_codes.left(tx, who)


async def test_a_backup_code_approves_once_and_its_use_is_told(asked: Asked) -> None:
    await asked.ask("a1", "a2")
    codes = await _renew(asked)
    assert (await asked.decide("a1", "ana", code=codes[3]))["state"] == "approved"
    (signed,) = await asked.signed("a1")
    assert isinstance(signed.document, dict)
    assert signed.document["factors"] == ["api token", "backup code"]
    with pytest.raises(Refused, match="does not match, or was used before"):
        await asked.decide("a2", "ana", code=codes[3])

    assert await asked.told("backup code/ana/") == {"ana", "security"}
    [entry] = await asked.audited("backup code used")
    assert (entry.actor, entry.data) == ("ana", {"left": 9})
    assert (await verify(asked.store))[1] is None


async def test_ten_codes_are_made_and_no_two_are_alike(asked: Asked) -> None:
    codes = await _renew(asked)
    assert len(codes) == 10
    assert [code[0] for code in codes] == list("0123456789")
    assert len({code[1:] for code in codes}) == 10
    assert await _left(asked) == 10


async def test_they_are_kept_as_argon2id_with_the_parameters_of_rfc_9106(asked: Asked) -> None:
    codes = await _renew(asked)
    async with asked.store.reading() as tx:
        found = (await tx.execute(select(rows.c.slot, rows.c.hash))).all()
    kept = [backup_codes.opened(asked.ring, "ana", one.slot, one.hash) or "" for one in found]
    assert all(one.startswith("$argon2id$v=19$m=65536,t=3,p=4$") for one in kept)
    assert len({one.split("$")[4] for one in kept}) == 10, "each has a salt of its own"
    assert not any(code in one for code in codes for one in kept)


@on_both
async def test_of_fifty_uses_of_one_code_at_once_exactly_one_is_accepted(asked: Asked) -> None:
    code = (await _renew(asked))[0]

    async def use() -> bool:
        try:
            await _check(asked, code)
        except Refused:
            return False
        return True

    assert sum(await asyncio.gather(*(use() for _ in range(50)))) == 1
    assert await _left(asked) == 9
    assert len(await asked.audited("backup code used")) == 1


async def test_new_codes_end_the_old_ones_and_are_told(asked: Asked) -> None:
    old = await _renew(asked)
    asked.clock.advance(minutes=1)
    new = await _renew(asked)
    with pytest.raises(Refused, match="does not match, or was used before"):
        await _check(asked, old[0])
    await _check(asked, new[0])
    assert await asked.told("backup codes/ana/") == {"ana", "security"}


async def test_codes_of_both_kinds_share_their_five_tries(asked: Asked) -> None:
    await asked.enrol("ana")
    codes = await _renew(asked)
    for number in range(5):
        wrong = "000000" if number % 2 else f"{codes[0][0]}-00000-00000"
        with pytest.raises(Refused, match="does not match"):
            await _step_up(asked, wrong)
    for right in (asked.code("ana"), codes[1]):
        with pytest.raises(Refused, match="5 codes in a row were wrong; no code is looked at"):
            await _step_up(asked, right)
    asked.clock.advance(minutes=5, seconds=1)
    assert await _step_up(asked, codes[1]) == "backup code"


async def _step_up(asked: Asked, code: str) -> str:
    return await step_up(
        asked.store, asked.ring, ORIGIN, "ana", code=code, bound_to="x", now=asked.clock.now
    )


async def test_a_code_is_read_as_people_type_it(asked: Asked) -> None:
    codes = await _renew(asked)
    await _check(asked, codes[0].upper())
    await _check(asked, codes[1].replace("-", " "))
    await _check(asked, codes[2].replace("-", "").replace("0", "O").replace("1", "l"))
    assert await _left(asked) == 7


async def test_what_is_no_code_is_refused(asked: Asked) -> None:
    await _renew(asked)
    for code in ("", "0", "0-", "00000000000", "x-00000-00000", "\u0660-00000-00000",
                 "0-uuuuu-00000", "0" * 500):  # fmt: skip
        asked.clock.advance(minutes=5, seconds=1)
        with pytest.raises(Refused, match="does not match"):
            await _check(asked, code)


async def test_one_person_s_codes_are_nobody_else_s(asked: Asked) -> None:
    codes = await _renew(asked)
    await _renew(asked, "ben")
    with pytest.raises(Refused, match="ben: that backup code does not match"):
        await _check(asked, codes[0], "ben")
    with pytest.raises(Refused, match="cyd has no backup codes\n\nhint:"):
        await _check(asked, codes[0], "cyd")


async def test_checking_one_costs_one_hash_and_stops_nothing_else(asked: Asked) -> None:
    """Ten hashes took the time to make them; a wrong code may take two of those at most."""
    began = time.perf_counter()
    code = (await _renew(asked))[0]
    ten = time.perf_counter() - began
    ticks, began = 0, time.perf_counter()
    checking = asyncio.create_task(_check(asked, f"{code[0]}-00000-00000"))
    while not checking.done():
        await asyncio.sleep(0.001)
        ticks += 1
    with pytest.raises(Refused):
        await checking
    assert time.perf_counter() - began < ten / 2
    assert ticks > 5, "the event loop went on meanwhile"
