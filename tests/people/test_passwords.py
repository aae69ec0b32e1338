import asyncio
import secrets
import statistics
import time
from typing import Any

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from pyotp.totp import TOTP
from sqlalchemy import select, update

from responder.approval import backup_codes, passkeys, totp
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.people import passwords, sessions
from responder.people.login import Credentials, NoSecondFactor, PasswordLogin
from responder.people.login_tries import TooManyTries
from responder.people.person import Directory, Person, Role
from responder.people.settings import Login
from responder.store import Store
from responder.store.sessions import login_tries
from responder.store.sessions import passwords as table
from responder.store.tables import audit, messages
from tests.approval.authenticator import Authenticator
from tests.databases import ManualClock, on_both

PASSWORD = "correct horse battery"
WRONG = "that name, password and second factor do not go together"
HERE = {"address": "198.51.100.7", "agent": "A browser"}
AT = "http://localhost:8080"
TYPED = Credentials(name="ana", password=SecretStr(PASSWORD))
PEOPLE = Directory(
    [
        Person(name="ana", roles=(Role.OPERATOR,)),
        Person(name="ben", roles=(Role.OPERATOR,)),
        Person(name="gone", roles=(Role.ADMIN,), active=False),
    ]
)


@pytest.fixture
def database() -> str:
    return "sqlite"


class Door:
    """A password login, and what people hold in their hands."""

    def __init__(self, store: Store, clock: ManualClock, login: Login) -> None:
        self.store, self.clock = store, clock
        self.ring = KeyRing.fresh()
        self.login = PasswordLogin(store, self.ring, PEOPLE, login, AT)
        self.secret = ""

    async def enrol(self, name: str) -> None:
        async with self.store.transaction() as tx:
            address = await totp.enrol(tx, self.ring, name)
        self.secret = address.partition("secret=")[2].partition("&")[0]

    def code(self) -> str:
        return str(TOTP(self.secret).generate_otp(int(self.clock.now.timestamp()) // 30))

    async def sign_in(self, name: str = "ana", password: str = PASSWORD, **more: Any) -> str:
        given: dict[str, Any] = {"name": name, "password": password, "code": self.code()}
        where = {key: more.pop(key, value) for key, value in HERE.items()}
        return await self.login.sign_in(Credentials(**given | more), **where)

    async def kinds(self) -> list[str]:
        async with self.store.reading() as tx:
            return list((await tx.execute(select(audit.c.kind).order_by(audit.c.seq))).scalars())


@pytest.fixture
async def door(store: Store, clock: ManualClock) -> Door:
    made = Door(store, clock, Login())
    await passwords.set_password(store, "ana", PASSWORD, by="root")
    await made.enrol("ana")
    return made


@on_both
async def test_a_password_and_a_code_sign_somebody_in(door: Door) -> None:
    token = await door.sign_in()

    found = await sessions.holder(door.store, door.ring, token)
    assert found is not None
    assert (found.principal, found.factors) == ("ana", ("password", "totp"))
    assert (await door.kinds())[-1] == "signed-in"


async def test_a_backup_code_goes_with_a_password_once(door: Door) -> None:
    (code, *_) = await backup_codes.renew(door.store, door.ring, "ana", "ana", door.clock.now)

    found = await sessions.holder(door.store, door.ring, await door.sign_in(code=code))

    assert found is not None
    assert found.factors == ("password", backup_codes.KIND)
    with pytest.raises(Refused, match=WRONG):
        await door.sign_in(code=code)


@pytest.mark.parametrize(
    "wrong",
    [
        {"password": "incorrect horse battery"},
        {"password": ""},
        {"name": "nobody"},
        {"name": "ben"},
        {"name": ""},
        {"code": "000000"},
        {"code": ""},
        {"passkey": {"id": "x"}},
        {"password": PASSWORD.upper()},
        {"password": PASSWORD + " "},
    ],
)
async def test_every_fault_has_the_same_answer_and_is_audited(
    door: Door, wrong: dict[str, Any]
) -> None:
    with pytest.raises(Refused, match=f"{WRONG}; nobody is signed in") as said:
        await door.sign_in(**wrong)

    assert said.value.message == f"{WRONG}; nobody is signed in"
    assert (await door.kinds())[-1] == "sign-in-refused"
    assert await sessions.of(door.store, "ana") == []


async def test_somebody_who_is_not_active_is_refused_like_nobody(door: Door, store: Store) -> None:
    await passwords.set_password(store, "gone", PASSWORD, by="root")
    await door.enrol("gone")

    with pytest.raises(Refused, match=WRONG):
        await door.sign_in("gone")


async def test_a_password_alone_lets_nobody_in(door: Door, store: Store) -> None:
    await passwords.set_password(store, "ben", PASSWORD, by="root")

    with pytest.raises(NoSecondFactor, match=r"ben has no second factor yet.*\n\nhint: responder"):
        await door.sign_in("ben")

    assert await sessions.of(store, "ben") == []


@on_both
async def test_after_five_tries_in_five_minutes_even_the_right_password_waits(door: Door) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match=WRONG):
            await door.sign_in(password="incorrect horse battery")

    with pytest.raises(TooManyTries, match="5 sign-ins failed within 5 minutes"):
        await door.sign_in()
    with pytest.raises(TooManyTries):
        await door.sign_in(address="203.0.113.99")
    door.clock.advance(minutes=5)
    assert await door.sign_in()


async def test_a_name_that_nobody_has_waits_as_well(door: Door) -> None:
    for number in range(5):
        with pytest.raises(Refused, match=WRONG):
            await door.sign_in("nobody", address=f"203.0.113.{number}")

    with pytest.raises(TooManyTries):
        await door.sign_in("nobody", address="203.0.113.99")


async def test_an_address_that_tries_many_names_waits(door: Door) -> None:
    for number in range(5):
        with pytest.raises(Refused, match=WRONG):
            await door.sign_in(f"name-{number}")

    with pytest.raises(TooManyTries):
        await door.sign_in()
    assert await door.sign_in(address="203.0.113.99")


async def test_an_account_of_ones_own_is_no_way_to_go_on_guessing(door: Door) -> None:
    for number in range(4):
        with pytest.raises(Refused, match=WRONG):
            await door.sign_in(f"name-{number}")

    await door.sign_in()

    with pytest.raises(Refused, match=WRONG):
        await door.sign_in("name-5")
    with pytest.raises(TooManyTries):
        await door.sign_in("name-6")


async def test_signing_in_gives_ones_tries_back(door: Door) -> None:
    for _ in range(4):
        with pytest.raises(Refused, match=WRONG):
            await door.sign_in(password="incorrect horse battery")

    await door.sign_in()

    async with door.store.reading() as tx:
        assert (await tx.execute(select(login_tries))).all() == []


async def test_fifty_tries_at_once_are_five(door: Door) -> None:
    tries = [door.sign_in(password="incorrect horse battery") for _ in range(50)]

    said = await asyncio.gather(*tries, return_exceptions=True)

    assert sum(type(one) is Refused for one in said) == 5
    assert sum(type(one) is TooManyTries for one in said) == 45


async def test_the_last_try_is_told_to_its_owner_and_to_security(door: Door) -> None:
    for _ in range(5):
        with pytest.raises(Refused, match=WRONG):
            await door.sign_in(password="incorrect horse battery")

    async with door.store.reading() as tx:
        told = (await tx.execute(select(messages.c.audience, messages.c.subject))).all()
    assert sorted(one.audience for one in told) == ["ana", "security"]
    assert "5 sign-ins as ana within 5 minutes, the last from 198.51.100.7" in told[0].subject
    assert "sign-ins-failed" in await door.kinds()


async def test_where_passwords_are_off_nobody_signs_in_with_one(
    door: Door, store: Store, clock: ManualClock
) -> None:
    closed = Door(store, clock, Login(passwords=False))
    closed.secret = door.secret

    with pytest.raises(Refused, match="nobody signs in with a password here"):
        await closed.sign_in()


async def test_a_passkey_is_asked_for_with_the_password_only(door: Door) -> None:
    given = Credentials(name="ana", password=SecretStr("incorrect horse battery"))

    with pytest.raises(Refused, match=WRONG):
        await door.login.challenge(given, **HERE)


@pytest.fixture
async def device(door: Door) -> Authenticator:
    """ana's passkey."""
    made, now = Authenticator(AT), door.clock.now
    options = await passkeys.begin_registration(door.store, AT, "ana", now)
    await passkeys.register(door.store, door.ring, AT, "ana", "phone", made.create(options), now)
    return made


async def test_a_passkey_goes_with_a_password_once(door: Door, device: Authenticator) -> None:
    answer = device.get(await door.login.challenge(TYPED, **HERE))

    found = await sessions.holder(
        door.store, door.ring, await door.sign_in(code="", passkey=answer)
    )

    assert found is not None
    assert found.factors == ("password", "passkey")
    with pytest.raises(Refused, match=WRONG):
        await door.sign_in(code="", passkey=answer)


async def test_a_passkey_without_the_password_lets_nobody_in(
    door: Door, device: Authenticator
) -> None:
    answer = device.get(await door.login.challenge(TYPED, **HERE))

    with pytest.raises(Refused, match=WRONG):
        await door.sign_in(password="incorrect horse battery", code="", passkey=answer)


@pytest.mark.parametrize("bound", ["ask/a1/" + "ab" * 32, "login/ben", "login/"])
async def test_what_a_passkey_answered_for_something_else_signs_nobody_in(
    door: Door, device: Authenticator, bound: str
) -> None:
    asked = await passkeys.challenge_for(door.store, AT, "ana", bound, door.clock.now)

    with pytest.raises(Refused, match=WRONG):
        await door.sign_in(code="", passkey=device.get(asked))


# -- what is kept ------------------------------------------------------------------------------


@on_both
async def test_a_password_is_kept_as_argon2id_of_rfc_9106(store: Store) -> None:
    await passwords.set_password(store, "ana", PASSWORD, by="root")

    async with store.reading() as tx:
        kept = (await tx.execute(select(table.c.hash))).scalar_one()
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.holds(store, "ana", PASSWORD)
    assert not await passwords.holds(store, "ana", "incorrect horse battery")
    assert not await passwords.holds(store, "ben", PASSWORD)


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "expected 12 to 1024 characters, found 5"),
        ("x" * 11, "expected 12 to 1024"),
        ("ab" * 600, "expected 12 to 1024 characters, found 1025"),
        ("abababababab", "expected 5 different characters at least, found 2"),
        ("ana-1234567", "expected 12 to 1024"),
        ("ana-12345678", "expected 12 characters beside the name"),
    ],
)
async def test_a_password_that_is_too_weak_is_refused_and_changes_nothing(
    store: Store, password: str, said: str
) -> None:
    with pytest.raises(Refused, match=f"ana: {said}.*; the password was not changed"):
        await passwords.set_password(store, "ana", password, by="root")

    assert not await passwords.has_one(store, "ana")


async def test_a_new_password_ends_the_sessions_that_the_old_one_began(door: Door) -> None:
    token = await door.sign_in()

    ended = await passwords.set_password(door.store, "ana", "another horse battery", by="root")

    assert ended == 1
    assert await sessions.holder(door.store, door.ring, token) is None
    with pytest.raises(Refused, match=WRONG):
        await door.sign_in()


async def test_what_looks_the_same_is_the_same(store: Store) -> None:
    composed, apart = "caf\N{LATIN SMALL LETTER E WITH ACUTE} latte mocha", "cafe\u0301 latte mocha"
    await passwords.set_password(store, "ana", composed, by="root")

    assert await passwords.holds(store, "ana", apart)


async def test_a_hash_of_older_parameters_is_renewed_when_its_owner_signs_in(store: Store) -> None:
    await passwords.set_password(store, "ana", PASSWORD, by="root")
    older = PasswordHasher(time_cost=1, memory_cost=8192, parallelism=1).hash(PASSWORD)
    async with store.transaction() as tx:
        await tx.execute(update(table).values(hash=older))

    assert not await passwords.holds(store, "ana", "incorrect horse battery")
    assert await passwords.holds(store, "ana", PASSWORD)

    async with store.reading() as tx:
        kept = (await tx.execute(select(table.c.hash))).scalar_one()
    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await passwords.holds(store, "ana", PASSWORD)


async def test_a_password_can_be_taken_away(store: Store) -> None:
    await passwords.set_password(store, "ana", PASSWORD, by="root")

    assert await passwords.remove(store, "ana", by="root")

    assert not await passwords.holds(store, "ana", PASSWORD)
    assert not await passwords.remove(store, "ana", by="root")


async def test_a_broken_hash_lets_nobody_in(store: Store) -> None:
    await passwords.set_password(store, "ana", PASSWORD, by="root")
    async with store.transaction() as tx:
        await tx.execute(update(table).values(hash="$argon2id$v=19$nonsense"))

    assert not await passwords.holds(store, "ana", PASSWORD)


async def test_a_name_that_nobody_has_takes_about_as_long_as_one_that_somebody_has(
    store: Store,
) -> None:
    await passwords.set_password(store, "ana", PASSWORD, by="root")
    await passwords.holds(store, "nobody", PASSWORD)  # makes nobody's hash, once
    took: dict[str, list[float]] = {"ana": [], "nobody": []}
    for _ in range(5):
        for name, times in took.items():
            began = time.perf_counter()
            assert not await passwords.holds(store, name, secrets.token_hex(8))
            times.append(time.perf_counter() - began)

    known, unknown = (statistics.median(times) for times in took.values())
    assert 1 / 3 < known / unknown < 3
