"""Who may add a second factor, and what they prove for it."""

import asyncio

import pytest

from responder.approval import backup_codes, passkeys, tickets
from responder.approval.enrolment import Proof, any_of, permit, summary
from responder.audit import verify
from responder.errors import Refused
from tests.approval.authenticator import Authenticator
from tests.approval.desk import ORIGIN, PEOPLE, Asked
from tests.databases import on_both


async def _permit(
    asked: Asked, who: str, about: str, *, keep: bool = False, **proof: object
) -> str:
    return await permit(
        asked.store, asked.ring, ORIGIN, PEOPLE[who], about, Proof.model_validate(proof),
        asked.clock.now, keep_ticket=keep,
    )  # fmt: skip


async def _ticket(asked: Asked, who: str = "ana") -> str:
    return await tickets.issue(asked.store, who, "ben", asked.clock.now)


async def test_the_first_factor_of_who_is_no_admin_needs_an_admin_s_ticket(asked: Asked) -> None:
    with pytest.raises(Refused, match=r"(?s)needs an admin's ticket.*responder people ticket ana"):
        await _permit(asked, "ana", "ana")
    assert await _permit(asked, "ana", "ana", ticket=await _ticket(asked)) == "ticket"
    assert await asked.told("ticket/") == {"ana", "security"}


async def test_the_very_first_set_up_is_an_admin_s_own(asked: Asked) -> None:
    assert await _permit(asked, "ben", "ben") == "the very first"
    with pytest.raises(Refused, match="ben has no second factor, and this needs one"):
        await _permit(asked, "ben", "ana")
    with pytest.raises(Refused, match="ana has no second factor yet"):
        await _permit(asked, "ana", "ana")


@pytest.mark.parametrize("kind", ["totp", "backup code", "passkey"])
async def test_once_anybody_has_a_second_factor_no_admin_begins_without(
    asked: Asked, kind: str
) -> None:
    if kind == "totp":
        await asked.enrol("ana")
    elif kind == "backup code":
        await backup_codes.renew(asked.store, asked.ring, "ana", "ana", asked.clock.now)
    else:
        await _register(asked, "ana")
    with pytest.raises(Refused, match=r"(?s)ben has no second factor yet.*enrol ben --local"):
        await _permit(asked, "ben", "ben")
    assert await _permit(asked, "ben", "ben", ticket=await _ticket(asked, "ben")) == "ticket"


async def test_who_has_a_factor_proves_it_for_every_change(asked: Asked) -> None:
    await asked.enrol("ana", "ben")
    for who, about in (("ana", "ana"), ("ben", "ben"), ("ben", "ana")):
        with pytest.raises(Refused, match=f"{who}: expected a code"):
            await _permit(asked, who, about)
        assert await _permit(asked, who, about, code=asked.code(who)) == "totp"
        asked.clock.advance(seconds=30)


async def test_nobody_but_an_admin_changes_another_s(asked: Asked) -> None:
    await asked.enrol("ana")
    for who in ("ana", "vic", "gone"):
        with pytest.raises(Refused, match="may not change cyd's second factors"):
            await _permit(asked, who, "cyd", code=asked.code("ana"))


async def test_a_ticket_is_its_person_s_and_is_no_admin_s_own_proof(asked: Asked) -> None:
    ticket = await _ticket(asked)
    with pytest.raises(Refused, match="cyd: expected an enrolment ticket of yours"):
        await _permit(asked, "cyd", "cyd", ticket=ticket)
    await asked.enrol("ben")
    with pytest.raises(Refused, match="ben: expected a code"):
        await _permit(asked, "ben", "ana", ticket=ticket)
    assert await _permit(asked, "ana", "ana", ticket=ticket) == "ticket"


@on_both
async def test_of_fifty_uses_of_one_ticket_at_once_exactly_one_is_accepted(asked: Asked) -> None:
    ticket = await _ticket(asked)
    tries = (_permit(asked, "ana", "ana", ticket=ticket) for _ in range(50))
    said = await asyncio.gather(*tries, return_exceptions=True)
    assert said.count("ticket") == 1
    assert (await verify(asked.store))[1] is None


async def test_a_ticket_is_good_for_fifteen_minutes_and_until_the_next(asked: Asked) -> None:
    first = await _ticket(asked)
    second = await _ticket(asked)
    with pytest.raises(Refused, match="has ended or was never made"):
        await _permit(asked, "ana", "ana", ticket=first)
    asked.clock.advance(minutes=15)
    with pytest.raises(Refused, match="has ended or was never made"):
        await _permit(asked, "ana", "ana", ticket=second)


async def test_a_ticket_lasts_until_the_passkey_is_made_and_makes_one(asked: Asked) -> None:
    ticket = await _ticket(asked)
    device, begun = Authenticator(ORIGIN), []
    for _ in range(2):
        assert await _permit(asked, "ana", "ana", ticket=ticket, keep=True) == "ticket"
        begun.append(
            await passkeys.begin_registration(
                asked.store, ORIGIN, "ana", asked.clock.now, ticket=tickets.digest(ticket)
            )
        )
    answers = [device.create(options) for options in begun]
    await passkeys.register(
        asked.store, asked.ring, ORIGIN, "ana", "one", answers[0], asked.clock.now
    )
    with pytest.raises(Refused, match="found one that was used"):
        await passkeys.register(
            asked.store, asked.ring, ORIGIN, "ana", "two", answers[1], asked.clock.now
        )
    with pytest.raises(Refused, match="found one that was used"):
        await _permit(asked, "ana", "ana", ticket=ticket)
    async with asked.store.reading() as tx:
        assert [one["name"] for one in (await summary(tx, "ana"))["passkeys"]] == ["one"]


async def _register(asked: Asked, who: str) -> Authenticator:
    device = Authenticator(ORIGIN)
    options = await passkeys.begin_registration(asked.store, ORIGIN, who, asked.clock.now)
    await passkeys.register(
        asked.store, asked.ring, ORIGIN, who, "key", device.create(options), asked.clock.now
    )
    return device


async def test_a_passkey_proves_a_change_with_a_challenge_for_that_person_only(
    asked: Asked,
) -> None:
    device = await _register(asked, "ben")
    for about, good in (("ana", True), ("cyd", False)):
        bound = ("ben", "factors/ana", asked.clock.now)
        answer = device.get(await passkeys.challenge_for(asked.store, ORIGIN, *bound))
        if good:
            assert await _permit(asked, "ben", about, passkey=answer) == "passkey"
        else:
            with pytest.raises(Refused, match="answered for something else"):
                await _permit(asked, "ben", about, passkey=answer)


async def test_used_up_backup_codes_do_not_make_somebody_new(asked: Asked) -> None:
    codes = await backup_codes.renew(asked.store, asked.ring, "ben", "ben", asked.clock.now)
    for code in codes:
        await backup_codes.check(asked.store, asked.ring, "ben", code, asked.clock.now)
    async with asked.store.reading() as tx:
        assert await any_of(tx, "ben")
        assert (await summary(tx, "ben"))["backup_codes_left"] == 0
    with pytest.raises(Refused, match="ben: expected a code"):
        await _permit(asked, "ben", "ben")
