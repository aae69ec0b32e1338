"""Passkeys against a software authenticator: what counts, and everything that must not."""

import asyncio
import copy
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import select, update
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url

from responder.approval import passkeys
from responder.audit import verify
from responder.errors import Refused
from responder.store.factors import challenges
from responder.store.factors import passkeys as rows
from responder.store.tables import asks
from tests.approval.authenticator import PRESENT, VERIFIED, Authenticator
from tests.approval.desk import ORIGIN, PEOPLE, Asked
from tests.databases import on_both


class Keyring:
    """The approval service, and who has which passkey."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.store, self.ring = asked, asked.store, asked.ring
        self.devices: dict[str, Authenticator] = {}

    @property
    def now(self) -> Any:
        return self.asked.clock.now

    async def register(self, who: str = "ana", name: str = "phone", **more: Any) -> Authenticator:
        """Give somebody a passkey."""
        device = Authenticator(more.pop("origin", ORIGIN), **more)
        options = await passkeys.begin_registration(self.store, ORIGIN, who, self.now)
        answer = device.create(options)
        await passkeys.register(self.store, self.ring, ORIGIN, who, name, answer, self.now)
        self.devices[who] = device
        return device

    async def challenge(self, ask: str = "a1", who: str = "ana") -> dict[str, Any]:
        return await self.asked.service.challenge(ask, PEOPLE[who])

    async def answer(self, ask: str = "a1", who: str = "ana", **changed: Any) -> dict[str, Any]:
        return self.devices[who].get(await self.challenge(ask, who), **changed)

    async def refused(self, said: str, answer: dict[str, Any], who: str = "ana") -> None:
        """The answer approves nothing, and says why in one line."""
        with pytest.raises(Refused, match=said) as caught:
            await self.asked.decide("a1", who, passkey=answer)
        assert "\n" not in str(caught.value)
        assert (await self.asked.row("a1"))["state"] == "open"
        assert await self.asked.signed("a1") == []

    async def kept(self) -> Any:
        async with self.store.reading() as tx:
            return (await tx.execute(select(rows))).one()


@pytest_asyncio.fixture
async def keys(asked: Asked) -> Keyring:
    await asked.ask("a1", "a2")
    return Keyring(asked)


@on_both
async def test_a_passkey_approves_what_its_challenge_was_made_for(keys: Keyring) -> None:
    await keys.register()
    ask = await keys.asked.decide("a1", "ana", passkey=await keys.answer())
    assert ask["state"] == "approved"
    (signed,) = await keys.asked.signed("a1")
    assert isinstance(signed.document, dict)
    assert signed.document["factors"] == ["api token", "passkey"]
    assert await keys.asked.objection("a1") is None
    assert await verify(keys.store) == (2, None)
    kept = await keys.kept()
    assert (kept.sign_count, kept.used) == (2, keys.now)


async def test_the_options_are_what_browsers_parse(keys: Keyring) -> None:
    device = await keys.register()
    [name] = device.keys
    asked_for = await keys.challenge()
    assert len(base64url_to_bytes(asked_for.pop("challenge"))) == 32
    assert asked_for == {
        "rpId": "responder.example.com", "timeout": 120_000, "userVerification": "required",
        "allowCredentials": [{"id": name, "type": "public-key"}],
    }  # fmt: skip
    made = await passkeys.begin_registration(keys.store, ORIGIN, "ana", keys.now)
    assert made["rp"] == {"id": "responder.example.com", "name": "responder"}
    assert made["authenticatorSelection"]["userVerification"] == "required"
    assert made["attestation"] == "none"
    assert made["excludeCredentials"] == [{"id": name, "type": "public-key"}]
    assert base64url_to_bytes(made["user"]["id"]) == (await keys.kept()).handle
    assert b"ana" not in base64url_to_bytes(made["user"]["id"])


async def test_a_challenge_for_one_plan_approves_no_other(keys: Keyring) -> None:
    await keys.register()
    await keys.refused("answered for something else than this", await keys.answer("a2"))


async def test_a_challenge_for_a_plan_that_was_edited_approves_nothing(keys: Keyring) -> None:
    await keys.register()
    answer = await keys.answer()
    async with keys.store.transaction() as tx:
        await tx.execute(update(asks).where(asks.c.id == "a1").values(digest="cd" * 32))
    with pytest.raises(Refused, match="answered for something else"):
        await keys.asked.decide("a1", "ana", passkey=answer, digest="cd" * 32)
    assert await keys.asked.signed("a1") == []


async def test_a_challenge_for_one_s_own_account_approves_nothing(keys: Keyring) -> None:
    device = await keys.register()
    bound = ("ana", "factors/ana", keys.now)
    options = await passkeys.challenge_for(keys.store, ORIGIN, *bound)
    await keys.refused("answered for something else", device.get(options))


async def test_an_answer_is_good_once(keys: Keyring) -> None:
    await keys.register()
    answer = await keys.answer()
    await keys.asked.decide("a1", "ana", passkey=answer)
    await keys.asked.revoke("ana")
    with pytest.raises(Refused, match="is revoked since"):
        await keys.asked.decide("a1", "ana", passkey=answer)
    with pytest.raises(Refused, match="was used before"):
        await passkeys.check(
            keys.store, keys.ring, ORIGIN, "ana", answer, f"ask/a1/{'ab' * 32}", keys.now
        )


@on_both
async def test_of_fifty_uses_of_one_answer_at_once_exactly_one_is_accepted(keys: Keyring) -> None:
    device = await keys.register()
    options = await passkeys.challenge_for(keys.store, ORIGIN, "ana", "this", keys.now)
    answer = device.get(options)

    async def use() -> bool:
        try:
            await passkeys.check(keys.store, keys.ring, ORIGIN, "ana", answer, "this", keys.now)
        except Refused:
            return False
        return True

    assert sum(await asyncio.gather(*(use() for _ in range(50)))) == 1
    assert (await keys.kept()).stopped is None


async def test_a_challenge_is_good_for_two_minutes(keys: Keyring) -> None:
    await keys.register()
    early, late = await keys.answer(), await keys.answer()
    keys.asked.clock.advance(seconds=119, milliseconds=999)
    kept = keys.asked.clock.now
    keys.asked.clock.now = kept + timedelta(milliseconds=1)
    await keys.refused("challenge ended at 12:02:00 UTC", late)
    keys.asked.clock.now = kept
    assert (await keys.asked.decide("a1", "ana", passkey=early))["state"] == "approved"


async def test_another_person_s_answer_is_nobody_else_s(keys: Keyring) -> None:
    await keys.register("ana")
    await keys.register("ben")
    answer = await keys.answer(who="ben")
    await keys.refused("answered no challenge of yours", answer, "ana")
    assert (await keys.asked.decide("a1", "ben", passkey=answer))["state"] == "approved"


async def test_another_person_s_passkey_does_not_answer_for_one(keys: Keyring) -> None:
    await keys.register("ana")
    ben = await keys.register("ben")
    options = await keys.challenge(who="ana")
    [name] = ben.keys
    answer = ben.get(options | {"allowCredentials": [{"id": name, "type": "public-key"}]})
    await keys.refused("not registered here as yours", answer, "ana")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"origin": "https://responder.example.com.evil.example"}, "origin"),
        ({"origin": "http://responder.example.com"}, "origin"),
        ({"origin": "https://responder.example.com:8443"}, "origin"),
        ({"type": "webauthn.create"}, "client data type"),
        ({"rp_id": "example.com"}, "RP ID hash"),
        ({"crossOrigin": True}, "inside another site"),
    ],
)
async def test_an_answer_from_elsewhere_is_refused(
    keys: Keyring, changed: dict[str, Any], said: str
) -> None:
    await keys.register()
    await keys.refused(said, await keys.answer(**changed))


@pytest.mark.parametrize(
    ("flags", "said"), [(PRESENT, "user was not verified"), (VERIFIED, "not present"), (0, "not")]
)
async def test_who_was_not_verified_by_their_device_approves_nothing(
    keys: Keyring, flags: int, said: str
) -> None:
    device = await keys.register()
    device.flags = flags
    await keys.refused(said, await keys.answer())


@pytest.mark.parametrize("part", ["signature", "authenticatorData", "clientDataJSON"])
async def test_an_answer_that_was_changed_on_the_way_is_refused(keys: Keyring, part: str) -> None:
    await keys.register()
    answer = await keys.answer()
    for place in (0, 40, -1):
        changed = copy.deepcopy(answer)
        raw = bytearray(base64url_to_bytes(changed["response"][part]))
        raw[min(place, len(raw) - 1)] ^= 0x01
        changed["response"][part] = bytes_to_base64url(bytes(raw))
        with pytest.raises(Refused):
            await keys.asked.decide("a1", "ana", passkey=changed)
        answer = await keys.answer()
    assert await keys.asked.signed("a1") == []


@pytest.mark.parametrize(
    "answer",
    [{}, {"id": "x"}, {"id": 1, "response": {}}, {"response": {"clientDataJSON": "%%%"}},
     {"id": "x", "response": {"clientDataJSON": bytes_to_base64url(b"[]")}},
     {"id": "x", "response": {"clientDataJSON": bytes_to_base64url(b'{"challenge":1,"type":2,"origin":3}')}}],
)  # fmt: skip
async def test_what_no_browser_says_is_refused_in_one_line(
    keys: Keyring, answer: dict[str, Any]
) -> None:
    await keys.register()
    await keys.refused("expected what a browser gives|no challenge of yours", answer)


async def test_a_passkey_whose_count_goes_back_is_stopped_and_told(keys: Keyring) -> None:
    device = await keys.register()
    device.count = 10
    await keys.asked.decide("a1", "ana", passkey=await keys.answer())
    device.count = 3
    with pytest.raises(Refused, match="counted back to 4, as a copy would; it is stopped"):
        await keys.asked.decide("a2", "ana", passkey=await keys.answer("a2"))
    assert await keys.asked.told("passkey stopped/") == {"ana", "security"}

    with pytest.raises(Refused, match="ana has no passkey; use a code"):
        await keys.answer("a2")
    assert (await keys.asked.row("a2"))["state"] == "open"
    assert (await verify(keys.store))[1] is None


async def test_only_the_key_s_holder_can_have_it_stopped(keys: Keyring) -> None:
    device = await keys.register()
    [name] = device.keys
    device.count = 10
    await keys.asked.decide("a1", "ana", passkey=await keys.answer())
    stranger = Authenticator(ORIGIN, keys={name: (_another_key(), *device.keys[name][1:])})
    with pytest.raises(Refused, match="does not hold"):
        await keys.asked.decide("a2", "ana", passkey=stranger.get(await keys.challenge("a2")))
    assert (await keys.kept()).stopped is None


def _another_key() -> Any:
    return ec.generate_private_key(ec.SECP256R1())


async def test_a_synchronised_passkey_that_never_counts_is_accepted_again(keys: Keyring) -> None:
    await keys.register(counts=False)
    for ask in ("a1", "a2"):
        assert (await keys.asked.decide(ask, "ana", passkey=await keys.answer(ask)))["state"] == (
            "approved"
        )


async def test_a_person_has_several_passkeys_and_removes_one(keys: Keyring) -> None:
    first = await keys.register(name="phone")
    await keys.register(name="blue key")
    assert len((await keys.challenge())["allowCredentials"]) == 2
    answer = first.get(await keys.challenge())
    await passkeys.remove(keys.store, "ana", "phone", "ana", keys.now)
    await keys.refused("not registered here as yours", answer)
    assert await keys.asked.told("passkey removed/") == {"ana", "security"}
    with pytest.raises(Refused, match="ana has no passkey 'phone'; there is blue key"):
        await passkeys.remove(keys.store, "ana", "phone", "ana", keys.now)
    async with keys.store.reading() as tx:
        handles = {one.handle for one in await passkeys.of(tx, "ana")}
    assert len(handles) == 1


@pytest.mark.parametrize(
    ("flags", "changed", "said"),
    [
        (PRESENT, {}, "user was not verified"),
        (PRESENT | VERIFIED, {"origin": "https://other.example.com"}, "origin"),
        (PRESENT | VERIFIED, {"rp_id": "other.example.com"}, "RP ID hash"),
        (PRESENT | VERIFIED, {"type": "webauthn.get"}, "client data type"),
    ],
)
async def test_what_does_not_register_is_not_kept(
    keys: Keyring, flags: int, changed: dict[str, Any], said: str
) -> None:
    options = await passkeys.begin_registration(keys.store, ORIGIN, "ana", keys.now)
    answer = Authenticator(ORIGIN, flags=flags).create(options, **changed)
    with pytest.raises(Refused, match=said):
        await passkeys.register(keys.store, keys.ring, ORIGIN, "ana", "phone", answer, keys.now)
    async with keys.store.reading() as tx:
        assert await passkeys.of(tx, "ana") == []


async def test_a_registration_is_good_once_for_its_person_and_for_five_minutes(
    keys: Keyring,
) -> None:
    device = Authenticator(ORIGIN)
    answers = [
        device.create(await passkeys.begin_registration(keys.store, ORIGIN, "ana", keys.now))
        for _ in range(2)
    ]
    with pytest.raises(Refused, match="no challenge of yours"):
        await passkeys.register(keys.store, keys.ring, ORIGIN, "ben", "phone", answers[0], keys.now)
    await passkeys.register(keys.store, keys.ring, ORIGIN, "ana", "phone", answers[0], keys.now)
    with pytest.raises(Refused, match="used before"):
        await passkeys.register(keys.store, keys.ring, ORIGIN, "ana", "other", answers[0], keys.now)
    keys.asked.clock.advance(minutes=5)
    with pytest.raises(Refused, match="challenge ended"):
        await passkeys.register(keys.store, keys.ring, ORIGIN, "ana", "other", answers[1], keys.now)


@pytest.mark.parametrize(
    "origin", ["http://192.0.2.1:8080", "https://[2001:db8::1]", "http://responder.example.com"]
)
async def test_where_no_browser_does_passkeys_that_is_said(keys: Keyring, origin: str) -> None:
    with pytest.raises(Refused, match=r"expected api\.public_url to be https:// with a host name"):
        await passkeys.begin_registration(keys.store, origin, "ana", keys.now)


async def test_a_laptop_without_a_name_uses_localhost(keys: Keyring) -> None:
    options = await passkeys.begin_registration(
        keys.store, "http://localhost:8080", "ana", keys.now
    )
    assert options["rp"]["id"] == "localhost"


async def test_old_challenges_are_forgotten(keys: Keyring) -> None:
    await keys.register()
    await keys.challenge()
    keys.asked.clock.advance(hours=2)
    await keys.asked.ask("a3")
    await keys.challenge("a3")
    async with keys.store.reading() as tx:
        assert len((await tx.execute(select(challenges))).all()) == 1
