"""
Signing in with an OpenID Connect provider: authorization code flow with PKCE S256, state and nonce.

The browser carries one random secret in a cookie; state, nonce and verifier are derived from it, so
an answer that was begun in another browser fits nothing. The store knows its digest and lets it be
used once. The ID token is checked with joserfc; only the client's requests are Authlib's.
"""

import asyncio
import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import delete, insert

from responder.audit import Entry, append
from responder.errors import Refused, Unreachable
from responder.people import sessions
from responder.people.id_token import Checked, UnknownSigner, check
from responder.people.person import Directory, Person
from responder.people.settings import Oidc
from responder.store import Store
from responder.store.sessions import oidc_logins

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

METHOD: Final = "oidc"
COOKIE: Final = "responder_oidc"
TO_COME_BACK = timedelta(minutes=10)
_SECONDS = 10.0
_KEPT_SECONDS = 600.0  # of what the provider publishes
_AGAIN_SECONDS = 30.0  # until an unknown key is asked for again
_LONGEST = 1_000_000  # bytes of an answer


@dataclass(frozen=True)
class Going:
    """Where the browser is sent, and the secret that it takes along in a cookie."""

    url: str
    secret: str


class OidcLogin:
    """Signs people in whom the provider of the settings knows."""

    def __init__(
        self, store: Store, people: Directory, oidc: Oidc, origin: str, lifetime: timedelta
    ) -> None:
        self._store = store
        self._people = people
        self._oidc = oidc
        self._back = f"{origin}/login/oidc/callback"
        self._lifetime = lifetime
        self._metadata: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._asked = {"metadata": float("-inf"), "keys": float("-inf")}
        self._one_at_a_time = asyncio.Lock()

    async def go(self) -> Going:
        """Begin: the provider's page, with everything the answer must fit. Raises `Unreachable`."""
        secret, now = secrets.token_urlsafe(32), self._store.now()
        metadata = await self._discovered()
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=_derived(secret, "state"),
                nonce=_derived(secret, "nonce"),
                code_verifier=_derived(secret, "verifier"),
                max_age="300",
            )
        async with self._store.transaction() as tx:
            await tx.execute(delete(oidc_logins).where(oidc_logins.c.made <= now - TO_COME_BACK))
            await tx.execute(insert(oidc_logins).values(digest=_digest(secret), made=now))
        return Going(url, secret)

    async def come_back(self, secret: str, answer: dict[str, str], *, agent: str) -> str:
        """
        Finish: what the cookie of a new session carries.

        Raises `Refused` for an answer that this browser did not ask for, that comes twice or late,
        whose ID token does not hold, or that is about nobody who may sign in; audited.
        """
        try:
            await self._use(secret, answer.get("state", ""))
            self._must_be_ours(answer)
            checked = await self._exchanged(secret, answer.get("code", ""))
            person = self._person(checked)
        except Refused as refused:
            await self._audit_refusal(refused, agent)
            raise
        return await sessions.begin(
            self._store,
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

    async def _exchanged(self, secret: str, code: str) -> Checked:
        from authlib.integrations.base_client import OAuthError  # noqa: PLC0415 - slow
        from httpx import HTTPError  # noqa: PLC0415

        metadata = await self._discovered()
        try:
            async with self._client() as client:
                given = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=_derived(secret, "verifier"),
                )
        except OAuthError as error:
            raise Refused(
                f"the provider did not take the code ({str(error.error)[:80]}); nobody is signed in"
            ) from error
        except (HTTPError, ValueError) as error:
            raise Unreachable(
                f"{self._oidc.issuer} did not answer ({type(error).__name__}); nobody is signed in"
            ) from error
        token = given.get("id_token") if isinstance(given, dict) else None
        if not isinstance(token, str):
            raise Refused("the provider sent no ID token; nobody is signed in")
        return await self._checked(token, _derived(secret, "nonce"))

    async def _checked(self, token: str, nonce: str) -> Checked:
        """An unknown key is asked for once more: the provider may have rotated."""
        now = self._store.now()
        try:
            return check(token, await self._key_set(), self._oidc, nonce, now)
        except UnknownSigner:
            return check(token, await self._key_set(again=True), self._oidc, nonce, now)

    def _person(self, checked: Checked) -> Person:
        """Whom an admin mapped that subject to, or whom the configured claim names."""
        person = self._people.of_subject(self._oidc.issuer, checked.subject)
        if person is None and self._oidc.claim == "email":
            same = [p for p in self._people if p.email and p.email == checked.claim]
            person = same[0] if len(same) == 1 else None
        elif person is None and checked.claim:
            person = self._people.find(checked.claim)
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

    async def _discovered(self) -> dict[str, Any]:
        async with self._one_at_a_time:
            if self._metadata is None or self._old("metadata", _KEPT_SECONDS):
                url = self._oidc.issuer.rstrip("/") + "/.well-known/openid-configuration"
                found = await self._get(url)
                if found.get("issuer") != self._oidc.issuer:  # OpenID Connect Discovery section 4.3
                    raise Refused(
                        f"{url} is of {str(found.get('issuer'))[:200]!r}, not of {self._oidc.issuer}"
                    )
                for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
                    if not _secure(found.get(name), self._oidc.issuer):
                        raise Refused(f"{url}: expected https for {name}")
                self._metadata, self._asked["metadata"] = found, time.monotonic()
            return self._metadata

    async def _key_set(self, *, again: bool = False) -> "KeySet":
        from joserfc.errors import JoseError  # noqa: PLC0415 - slow
        from joserfc.jwk import KeySet  # noqa: PLC0415

        metadata = await self._discovered()
        async with self._one_at_a_time:
            stale = self._old("keys", _AGAIN_SECONDS if again else _KEPT_SECONDS)
            if self._keys is None or stale:
                try:
                    self._keys = KeySet.import_key_set(await self._get(metadata["jwks_uri"]))  # type: ignore[arg-type]
                except (JoseError, ValueError, KeyError, TypeError) as error:
                    raise Unreachable(f"{self._oidc.issuer}: its keys cannot be read") from error
                self._asked["keys"] = time.monotonic()
            return self._keys

    def _old(self, what: str, seconds: float) -> bool:
        return time.monotonic() - self._asked[what] > seconds

    async def _get(self, url: str) -> dict[str, Any]:
        import httpx  # noqa: PLC0415 - only with a provider

        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                answer = await client.get(url)
            found = answer.raise_for_status().json() if len(answer.content) < _LONGEST else None
        except (httpx.HTTPError, ValueError) as error:
            raise Unreachable(
                f"{url} did not answer ({type(error).__name__}); nobody is signed in"
            ) from error
        if not isinstance(found, dict):
            raise Unreachable(f"{url}: expected a JSON object")
        return found

    def _client(self) -> Any:  # noqa: ANN401 - Authlib has no types
        import warnings  # noqa: PLC0415

        with warnings.catch_warnings():  # it says that httpx has a successor
            warnings.simplefilter("ignore")
            from authlib.integrations.httpx_client import AsyncOAuth2Client  # noqa: PLC0415 - slow

        secret = self._oidc.secret()
        return AsyncOAuth2Client(
            client_id=self._oidc.client_id,
            client_secret=secret,
            token_endpoint_auth_method="client_secret_basic" if secret else "none",
            scope=" ".join(self._oidc.scopes),
            redirect_uri=self._back,
            code_challenge_method="S256",
            timeout=_SECONDS,
        )

    async def _audit_refusal(self, refused: Refused, agent: str) -> None:
        said = refused.message.partition("\n")[0]
        entry = Entry(
            kind="sign-in-refused",
            actor="somebody",
            subject=self._oidc.issuer[:400],
            data={"method": METHOD, "agent": agent[:200], "why": said[:300]},
        )
        async with self._store.transaction() as tx:
            await append(tx, self._store.now(), entry)


def _derived(secret: str, purpose: str) -> str:
    """43 characters of the unreserved set: long enough for a verifier of RFC 7636 section 4.1."""
    made = hmac.digest(secret.encode(), f"oidc|{purpose}".encode(), "sha256")
    return urlsafe_b64encode(made).rstrip(b"=").decode()


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _secure(url: object, issuer: str) -> bool:
    """https, or the plain http of a provider on this machine that was configured so."""
    if not isinstance(url, str):
        return False
    local = issuer.startswith("http://") and url.startswith(
        ("http://127.0.0.1", "http://localhost")
    )
    return url.startswith("https://") or local
