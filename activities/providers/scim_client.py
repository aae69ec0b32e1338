"""Requests to a SCIM 2.0 service: its media type, its errors, its throttling (RFC 7644)."""

import asyncio
import os
import ssl
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from pydantic import Field

from responder.errors import Unreachable
from responder.identities import ScimIdentities
from responder.incident import Frozen

if TYPE_CHECKING:
    import httpx

MEDIA_TYPE = "application/scim+json"  # RFC 7644 section 3.1
_READABLE = (MEDIA_TYPE, "application/json")
_ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"  # RFC 7644 section 3.12
_CONNECT_SECONDS, _SECONDS = 5.0, 10.0
_LONGEST_WAIT = (
    5.0  # seconds that a throttled request waits here; longer, and it is tried again later
)
_ATTEMPTS = 4
_MOST = 1024 * 1024  # bytes: one user's resource is some kilobytes
_TOO_MANY, _UNAVAILABLE, _SERVER_FAULT, _NO_CONTENT = 429, 503, 500, 204
_REFUSED_TOKEN = (401, 403)


class Answer(Frozen):
    """What a SCIM service answered; an answer of 2xx or of 4xx that is about the request."""

    status: int
    etag: str = ""
    body: dict[str, Any] = Field(default={})

    @property
    def complaint(self) -> str:
        """What it complained of, in one line."""
        detail = self.body.get("detail") if _ERROR in self.body.get("schemas", ()) else ""
        kind = self.body.get("scimType") or ""
        said = " ".join(f"{kind} {detail or 'and no word why'}".split())[:300]
        return f"{self.status} {said}"


class ScimClient:
    """One SCIM service over kept connections; the token is read at each use, so it may change."""

    def __init__(self, service: ScimIdentities) -> None:
        self._service = service
        self._http: httpx.AsyncClient | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, str] | None = None,
        body: dict[str, Any] | None = None,
        if_match: str = "",
    ) -> Answer:
        """
        What the service answers.

        Raises `Unreachable` when that cannot be known: no answer, a fault of its own, a token that
        it does not take, or throttling for longer than one waits here.
        """
        what = f"{self._service.name}: {method} {path}"
        headers = {"Accept": MEDIA_TYPE, "Authorization": f"Bearer {await self._token()}"}
        if body is not None:
            headers["Content-Type"] = MEDIA_TYPE
        if if_match:
            headers["If-Match"] = if_match
        attempt = 0
        while True:
            attempt += 1
            answered = await self._once(what, method, path, params, body, headers)
            if answered.status_code not in (_TOO_MANY, _UNAVAILABLE):
                return _understood(what, answered)
            wait = _retry_after(answered.headers.get("Retry-After", ""), 2.0**attempt / 8)
            if wait > _LONGEST_WAIT or attempt == _ATTEMPTS:
                said = f"{what}: {answered.status_code}, to be tried again in {wait:.0f} s"
                raise Unreachable(said)
            await asyncio.sleep(wait)

    async def close(self) -> None:
        """End the connections; the next request opens others."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def _once(
        self,
        what: str,
        method: str,
        path: str,
        params: dict[str, str] | None,
        body: dict[str, Any] | None,
        headers: dict[str, str],
    ) -> "httpx.Response":
        import httpx  # noqa: PLC0415 - slow to import, and only needed with an identity provider

        http = self._opened()
        try:
            async with asyncio.timeout(_CONNECT_SECONDS + 2 * _SECONDS):
                sent = http.build_request(method, path, params=params, json=body, headers=headers)
                answered = await http.send(sent, stream=True)
                try:
                    said = b""
                    async for chunk in answered.aiter_bytes():
                        said += chunk
                        if len(said) > _MOST:
                            raise Unreachable(f"{what}: answered more than {_MOST} bytes")
                finally:
                    await answered.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise Unreachable(f"{what}: {type(error).__name__}: {error}") from error
        answered._content = said  # noqa: SLF001 - what `aread` would have set, with no bound
        return answered

    def _opened(self) -> "httpx.AsyncClient":
        import httpx  # noqa: PLC0415 - see above

        if self._http is None:
            ca = self._service.ca_file
            self._http = httpx.AsyncClient(
                base_url=self._service.base_url,
                timeout=httpx.Timeout(_SECONDS, connect=_CONNECT_SECONDS),
                follow_redirects=False,  # the token is for this service only
                trust_env=False,
                verify=ssl.create_default_context(cafile=ca) if ca else True,
            )
        return self._http

    async def _token(self) -> str:
        service = self._service
        if service.token_env is not None:
            token = os.environ.get(service.token_env, "")
            where = f"${service.token_env}"
        else:
            assert service.token_file is not None  # the settings see to that
            where = str(service.token_file)
            try:
                token = await asyncio.to_thread(service.token_file.read_text)
            except (OSError, UnicodeDecodeError) as error:
                said = f"{service.name}: the token cannot be read from {where}: "
                raise Unreachable(said + type(error).__name__) from error
        if not (token := token.strip()) or not token.isascii() or not token.isprintable():
            raise Unreachable(f"{service.name}: expected a bearer token in {where}, found none")
        return token


def _understood(what: str, answered: "httpx.Response") -> Answer:
    status = answered.status_code
    body: Any = {}
    kind = answered.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if answered.content and kind in _READABLE:
        try:
            body = answered.json()
        except ValueError:
            body = None
    elif status < 300 and status != _NO_CONTENT:  # noqa: PLR2004 - RFC 9110: 2xx is a success
        raise Unreachable(f"{what}: expected {MEDIA_TYPE}, found {kind or 'no type'}")
    if not isinstance(body, dict):
        raise Unreachable(f"{what}: {status}, and not a JSON object")
    answer = Answer(status=status, etag=answered.headers.get("ETag", ""), body=body)
    if status in _REFUSED_TOKEN:
        raise Unreachable(f"{what}: it does not take our token: {answer.complaint}")
    if status >= _SERVER_FAULT or 300 <= status < 400:  # noqa: PLR2004 - RFC 9110: 3xx redirects
        raise Unreachable(f"{what}: {answer.complaint}")
    return answer


def _retry_after(value: str, otherwise: float) -> float:
    """How many seconds to wait: a number of them or a date, RFC 9110 section 10.2.3."""
    if value.strip().isdigit():
        return float(value)
    try:
        at = parsedate_to_datetime(value)
    except ValueError:
        return otherwise
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max((at - datetime.now(UTC)).total_seconds(), 0.0)
