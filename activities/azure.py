"""
Calls to Azure Key Vault: its SDK in threads, every failure told apart.

What cannot be known (network, throttling, 5xx, refused credentials, a permission that is missing)
is `Unreachable`; what Key Vault understood and refused is `AzureError` with its code. Requests and
errors are those of the Key Vault REST API reference ("Set Secret", "Get Secret", "Get Secret
Versions", "Update Secret") and of "Azure Key Vault REST API Error Codes".
"""

import asyncio
import json
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from responder.errors import Unreachable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.core.exceptions import HttpResponseError
    from azure.keyvault.secrets import SecretClient, SecretProperties

T = TypeVar("T")

API_VERSION = "7.4"  # has all that is used, and every cloud of Azure has it
DISABLED = "SecretDisabled"
DELETED = "ObjectIsDeletedButRecoverable"
NOT_FOUND = "SecretNotFound"

_CONNECT_SECONDS = 3.0
_READ_SECONDS = 10.0
_RETRIES = 2
_MOST_BACKOFF_SECONDS = 5
_MOST_SECONDS = 42.0  # of one call with its retries; an undo's claim is 45 s
_THREADS = 4
_UNAUTHORIZED, _FORBIDDEN, _MISSING, _TIMED_OUT, _THROTTLED = 401, 403, 404, 408, 429
_CLIENT_FAULTS = range(400, 500)


class AzureError(Exception):
    """Key Vault understood a request and refused it."""

    def __init__(self, where: str, code: str, message: str) -> None:
        super().__init__(f"{where}: {code}: {message}")
        self.code = code


@dataclass(frozen=True)
class Held:
    """One version of a secret as the vault has it; never its value."""

    id: str
    enabled: bool
    created: datetime
    tags: Mapping[str, str]


class Vault:
    """One key vault: its client, made when first needed and kept."""

    def __init__(self, url: str, *, credential: "TokenCredential | None" = None) -> None:
        self.url = url
        self._credential = credential
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="key-vault")
        self._making = threading.Lock()
        self._client: SecretClient | None = None

    async def versions(self, name: str) -> list[Held]:
        """Every version, from all pages; empty if there is no such secret."""

        def ask(client: "SecretClient") -> list[Held]:
            return [_held(one) for one in client.list_properties_of_secret_versions(name)]

        try:
            return await self._in_thread("secrets/list", name, ask)
        except AzureError as error:
            if error.code == NOT_FOUND:
                return []
            raise

    async def value(self, name: str, version: str) -> str:
        """The text that one version holds."""

        def ask(client: "SecretClient") -> str:
            return client.get_secret(name, version).value or ""

        return await self._in_thread("secrets/get", name, ask)

    async def add(self, name: str, value: str, *, content_type: str, tags: dict[str, str]) -> None:
        """
        A new version, asked for once.

        Key Vault chooses its id and makes another at each request, so after a lost answer it is
        looked up what there is now, and never asked again blindly.
        """

        def ask(client: "SecretClient") -> None:
            client.set_secret(name, value, content_type=content_type, tags=tags, retry_total=0)

        await self._in_thread("secrets/set", name, ask)

    async def update(
        self, name: str, version: str, *, tags: dict[str, str], enabled: bool | None = None
    ) -> None:
        """Give one version these tags and no others, and enable or disable it."""

        def ask(client: "SecretClient") -> None:
            client.update_secret_properties(name, version, tags=tags, enabled=enabled)

        await self._in_thread("secrets/set", name, ask)

    async def close(self) -> None:
        """Let go of every connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._threads.shutdown(wait=False)

    async def _in_thread(self, permission: str, name: str, ask: "Callable[[SecretClient], T]") -> T:
        what = f"{self.url}: {permission} {name}"
        loop = asyncio.get_running_loop()
        waiting = loop.run_in_executor(self._threads, self._guarded, what, ask)
        try:
            async with asyncio.timeout(_MOST_SECONDS):
                return await waiting
        except TimeoutError as error:
            raise Unreachable(f"{what}: no answer within {_MOST_SECONDS:g} s") from error

    def _guarded(self, what: str, ask: "Callable[[SecretClient], T]") -> T:
        from azure.core.exceptions import AzureError as SdkError  # noqa: PLC0415 - slow to import
        from azure.core.exceptions import HttpResponseError  # noqa: PLC0415

        try:
            return ask(self._opened())
        except HttpResponseError as error:
            raise _told(error, what) from error
        except (
            SdkError,
            ValueError,
        ) as error:  # network, credentials, a challenge of another vault
            raise Unreachable(f"{what}: {type(error).__name__}: {_line(str(error))}") from error

    def _opened(self) -> "SecretClient":
        from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow to import
        from azure.keyvault.secrets import SecretClient  # noqa: PLC0415

        with self._making:
            if self._client is None:
                self._client = SecretClient(
                    self.url,
                    self._credential or DefaultAzureCredential(),
                    api_version=API_VERSION,
                    connection_timeout=_CONNECT_SECONDS,
                    read_timeout=_READ_SECONDS,
                    retry_total=_RETRIES,
                    retry_backoff_max=_MOST_BACKOFF_SECONDS,
                )
            return self._client


def _held(found: "SecretProperties") -> Held:
    if found.version is None or found.created_on is None:
        raise ValueError("expected a version with an id and the time it was made, found none")
    return Held(
        id=found.version,
        enabled=found.enabled is not False,
        created=found.created_on.astimezone(UTC),
        tags=dict(found.tags or {}),
    )


def _told(error: "HttpResponseError", what: str) -> Exception:
    status = error.status_code or 0
    code, message = _said(error)
    if code == DISABLED:
        return AzureError(what, code, message)
    if status == _FORBIDDEN:
        return Unreachable(f"{what}: the permission is missing or the vault is closed ({message})")
    if status in (0, _UNAUTHORIZED):
        return Unreachable(f"{what}: Azure does not accept the credentials: {message}")
    if status in (_TIMED_OUT, _THROTTLED) or status not in _CLIENT_FAULTS:
        return Unreachable(f"{what}: {status} {code}: {message}")
    if status == _MISSING and code != NOT_FOUND:  # not Key Vault: an absent secret is named so
        return Unreachable(f"{what}: {status} {code}: {message}")
    return AzureError(what, code or str(status), message)


def _said(error: "HttpResponseError") -> tuple[str, str]:
    """The innermost code of an error's body, and its message in one line."""
    code, message = "", str(error.message or "no word why")
    try:
        body: Any = json.loads(error.response.text()) if error.response is not None else {}
        said = body["error"]
        message = str(said.get("message") or message)
        inner = said.get("innererror")
        code = str((inner or said).get("code") or said.get("code") or "")
    except (AttributeError, KeyError, TypeError, ValueError):  # not an error body of Key Vault
        code = ""
    return code, _line(message)


def _line(text: str) -> str:
    return " ".join(text.split())[:300]
