"""
Signing in with an OpenID Connect provider: authorization code flow with PKCE S256, state and nonce.

The browser carries one random secret in a cookie; state, nonce and verifier are derived from it, so
an answer that was begun in another browser fits nothing. The store knows its digest and lets it be
used once.
"""

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, func, insert, select

from responder.crypto.keyring import KeyRing
from responder.errors import Refused
from responder.people import sessions
from responder.people.id_token import Checked, UnknownSigner, check
from responder.people.oidc_provider import Provider
from responder.people.person import Directory, OidcSubject, Person
from responder.people.refusals import Refusals
from responder.people.settings import Oidc
from responder.store import Store
from responder.store.sessions import oidc_logins

METHOD: Final = "oidc"
COOKIE: Final = "responder_oidc"
TO_COME_BACK = timedelta(minutes=10)
MOST_GOING: Final = 1000  # on their way at once: each is a row that anybody can have made


@dataclass(frozen=True)
class Going:
    """Where the browser is sent, and the secret that it takes along in a cookie."""

    url: str
    secret: str


class OidcLogin:
    """Signs people in whom the provider of the settings knows."""

    def __init__(
        self,
        store: Store,
        ring: KeyRing,
        people: Directory,
        oidc: Oidc,
        origin: str,
        lifetime: timedelta,
    ) -> None:
        self._store = store
        self._ring = ring
        self._people = people
        self._oidc = oidc
        self._lifetime = lifetime
        self._refusals = Refusals(store, METHOD, oidc.issuer)
        self._provider = Provider(oidc, f"{origin}/login/oidc/callback")

    async def go(self) -> Going:
        """
        Begin: the provider's page, with everything the answer must fit.

        Raises `Unreachable`, and `Refused` while very many are on their way already.
        """
        secret, now = secrets.token_urlsafe(32), self._store.now()
        url = await self._provider.authorization_url(
            state=_derived(secret, "state"),
            nonce=_derived(secret, "nonce"),
            code_verifier=_derived(secret, "verifier"),
        )
        async with self._store.transaction() as tx:
            await tx.execute(delete(oidc_logins).where(oidc_logins.c.made <= now - TO_COME_BACK))
            going = select(func.count()).select_from(oidc_logins)
            if (await tx.execute(going)).scalar_one() >= MOST_GOING:
                raise Refused(
                    f"{MOST_GOING} sign-ins were begun within {TO_COME_BACK.seconds // 60} minutes and "
                    "not finished; wait, then try again"
                )
            await tx.execute(insert(oidc_logins).values(digest=_digest(secret), made=now))
        return Going(url, secret)

    async def come_back(self, secret: str, answer: dict[str, str], *, agent: str) -> str:
        """
        Finish: what the cookie of a new session carries.

        Raises `Refused` for an answer that this browser did not ask for, that comes twice or late,
        whose ID token does not hold, or that is about nobody who may sign in; audited, once a minute
        for each reason.
        """
        reason = "not begun in this browser, or over"
        try:
            await self._use(secret, answer.get("state", ""))
            reason = "the provider refused, or is another"
            self._must_be_ours(answer)
            reason = "the provider's token does not hold"
            token = await self._provider.exchanged(
                answer.get("code", ""), _derived(secret, "verifier")
            )
            checked = await self._checked(token, _derived(secret, "nonce"))
            reason = "nobody who may sign in"
            person = self._person(checked)
        except Refused as refused:
            await self._refusals.note(reason, refused.message.partition("\n")[0], agent)
            raise
        return await sessions.begin(
            self._store,
            self._ring,
            person.name,
            method=METHOD,
            factors=(METHOD, *checked.second_factors),
            agent=agent,
            lifetime=self._lifetime,
        )

    async def _use(self, secret: str, state: str) -> None:
        """The browser's secret fits the state, was begun here, is fresh, and is used up by this."""
        fits = hmac.compare_digest(state.encode(), _derived(secret, "state").encode())
        if not secret or not fits:
            raise Refused(
                "this browser did not begin that sign-in; begin again, and nobody is signed in"
            )
        this = (
            oidc_logins.c.digest == _digest(secret),
            oidc_logins.c.made > self._store.now() - TO_COME_BACK,
        )
        async with self._store.transaction() as tx:
            if (await tx.execute(delete(oidc_logins).where(*this))).rowcount != 1:
                raise Refused(
                    "that sign-in was finished before, or took longer than "
                    f"{TO_COME_BACK.seconds // 60} minutes; begin again, and nobody is signed in"
                )

    def _must_be_ours(self, answer: dict[str, str]) -> None:
        if said := answer.get("error"):
            raise Refused(f"the provider said {said[:80]!r}; nobody is signed in")
        if answer.get("iss", self._oidc.issuer) != self._oidc.issuer:  # RFC 9207
            raise Refused("another provider answered than was asked; nobody is signed in")

    async def _checked(self, token: str, nonce: str) -> Checked:
        """An unknown key is asked for once more: the provider may have rotated."""
        now = self._store.now()
        try:
            return check(token, await self._provider.key_set(), self._oidc, nonce, now)
        except UnknownSigner:
            keys = await self._provider.key_set(again=True)
            return check(token, keys, self._oidc, nonce, now)

    def _person(self, checked: Checked) -> Person:
        """Whom an admin mapped that subject to, or whom the configured claim names."""
        person = self._people.of_subject(self._oidc.issuer, checked.subject)
        if person is None and self._oidc.claim == "email":
            same = [p for p in self._people if p.email and p.email == checked.claim]
            person = same[0] if len(same) == 1 else None
        elif person is None and checked.claim:
            person = self._people.find(checked.claim)
        # Whom an admin mapped to another subject is nobody else, whatever a claim says.
        mapped = OidcSubject(issuer=self._oidc.issuer, subject=checked.subject)
        if person is not None and person.oidc not in (None, mapped):
            person = None
        if person is None or not person.active:
            raise Refused(
                f"the provider's {checked.subject[:80]!r} is nobody who may sign in here\n\n"
                "hint: an admin sets `oidc:` of the person in `people`"
            )
        if self._oidc.second_factor_required and not checked.second_factors:
            raise Refused(
                f"{person.name}: the provider did not ask for a second factor; nobody is signed in"
            )
        return person


def _derived(secret: str, purpose: str) -> str:
    """43 characters of the unreserved set: long enough for a verifier of RFC 7636 section 4.1."""
    made = hmac.digest(secret.encode(), f"oidc|{purpose}".encode(), "sha256")
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
