"""
An OpenID Connect provider as its client sees it: where it sends browsers, its keys, a code for a token.

The requests are Authlib's; what comes of them is checked in `id_token`, with joserfc.
"""

import asyncio
import time
import warnings
from typing import TYPE_CHECKING, Any

from responder.errors import Refused, Unreachable
from responder.people.settings import Oidc

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

_SECONDS = 10.0
_KEPT_SECONDS = 600.0  # of what the provider publishes
_AGAIN_SECONDS = 30.0  # until an unknown key is asked for again
_LONGEST = 1_000_000  # bytes of an answer
_MAX_AGE = "300"  # seconds since the person proved who they are


class Provider:
    """Asked for its metadata and keys every ten minutes at most, whoever signs in."""

    def __init__(self, oidc: Oidc, back: str) -> None:
        self._oidc = oidc
        self._back = back
        self._metadata: dict[str, Any] | None = None
        self._keys: KeySet | None = None
        self._asked = {"metadata": float("-inf"), "keys": float("-inf")}
        self._one_at_a_time = asyncio.Lock()

    async def authorization_url(self, *, state: str, nonce: str, code_verifier: str) -> str:
        """Where the browser is sent. Raises `Unreachable`, or `Refused` for a provider that is not ours."""
        metadata = await self._discovered()
        async with self._client() as client:
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=state,
                nonce=nonce,
                code_verifier=code_verifier,
                max_age=_MAX_AGE,
            )
        return str(url)

    async def exchanged(self, code: str, verifier: str) -> str:
        """The ID token for *code*. Raises `Refused` if the provider does not take it."""
        from authlib.integrations.base_client import OAuthError  # noqa: PLC0415 - slow
        from httpx import HTTPError  # noqa: PLC0415

        metadata = await self._discovered()
        try:
            async with self._client() as client:
                given = await client.fetch_token(
                    metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=verifier,
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
        return token

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

    async def key_set(self, *, again: bool = False) -> "KeySet":
        """Its keys; *again* asks anew, every half minute at most."""
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


def _secure(url: object, issuer: str) -> bool:
    """https, or the plain http of a provider on this machine that was configured so."""
    if not isinstance(url, str):
        return False
    local = issuer.startswith("http://") and url.startswith(
        ("http://127.0.0.1", "http://localhost")
    )
    return url.startswith("https://") or local
