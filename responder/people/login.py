"""Signing in with a password kept here and a second factor: both, always, with the same answer to every fault."""

from typing import Any

from pydantic import Field, JsonValue, SecretStr

from responder.approval import passkeys
from responder.approval.enrolment import any_of
from responder.approval.step_up import step_up
from responder.audit import Entry, append
from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.incident import Frozen
from responder.people import login_tries, passwords, sessions
from responder.people.person import Directory, Person
from responder.people.settings import Login
from responder.store import Store

METHOD = "password"
_WRONG = "that name, password and second factor do not go together; nobody is signed in"


class Credentials(Frozen):
    """What somebody types, and what their passkey answers."""

    name: str = Field(max_length=255, description="Your name in `people`.")
    password: SecretStr = Field(max_length=4096, description="Your password.")
    code: str = Field(
        default="", max_length=64, description="Of your authenticator app, or a backup code."
    )
    passkey: dict[str, JsonValue] | None = Field(
        default=None, description="The browser's answer to the challenge for signing in."
    )


class NoSecondFactor(Refused):
    """The password holds, and there is nothing to go with it."""


class PasswordLogin:
    """Signs people in who have a password here."""

    def __init__(
        self, store: Store, ring: KeyRing, people: Directory, login: Login, origin: str
    ) -> None:
        self._store = store
        self._ring = ring
        self._people = people
        self._login = login
        self._origin = origin

    async def sign_in(self, given: Credentials, *, address: str, agent: str) -> str:
        """
        What the cookie of a new session carries.

        Raises `Refused`, in the same words for a name that nobody has, a wrong password and a wrong
        second factor; `TooManyTries` after five of them in five minutes, by name or by address; and
        `NoSecondFactor` for who has none yet. Audited either way.
        """
        person = await self._by_password(given, address, agent)
        try:
            factor = await step_up(
                self._store,
                self._ring,
                self._origin,
                person.name,
                code=given.code,
                passkey=given.passkey,
                bound_to=bound_to(person.name),
                now=self._store.now(),
            )
        except Refused as refused:
            await self._refused(given.name, address, agent, "second factor")
            raise Refused(_WRONG) from refused
        await login_tries.forget(self._store, given.name)
        return await sessions.begin(
            self._store,
            self._ring,
            person.name,
            method=METHOD,
            factors=(METHOD, factor),
            agent=agent,
            lifetime=self._login.session,
        )

    async def challenge(self, given: Credentials, *, address: str, agent: str) -> dict[str, Any]:
        """What a passkey must answer for this sign-in; asked for with the password, as that is."""
        person = await self._by_password(given, address, agent)
        return await passkeys.challenge_for(
            self._store, self._origin, person.name, bound_to(person.name), self._store.now()
        )

    async def _by_password(self, given: Credentials, address: str, agent: str) -> Person:
        if not self._login.passwords:
            raise Refused("nobody signs in with a password here (`login.passwords`)")
        person = self._people.find(given.name)
        await login_tries.count(
            self._store, self._login, given.name, address, known=person is not None
        )
        good = await passwords.holds(self._store, given.name, given.password.get_secret_value())
        if not good or person is None or not person.active:
            await self._refused(given.name, address, agent, "password")
            raise Refused(_WRONG)
        async with self._store.reading() as tx:
            enrolled = await any_of(tx, person.name)
        if not enrolled:
            await self._refused(given.name, address, agent, "no second factor")
            raise NoSecondFactor(
                f"{person.name} has no second factor yet, and a password alone lets nobody in\n\n"
                f"hint: responder people ticket {person.name}"
            )
        return person

    async def _refused(self, name: str, address: str, agent: str, why: str) -> None:
        entry = Entry(
            kind="sign-in-refused",
            actor="somebody",
            subject="".join(c for c in name if c.isprintable())[:100] or "nobody",
            data={"method": METHOD, "address": address[:200], "agent": agent[:200], "why": why},
        )
        async with self._store.transaction() as tx:
            await append(tx, self._store.now(), entry)


def bound_to(name: str) -> str:
    """What a passkey's challenge is bound to when its owner signs in."""
    return f"login/{name}"
