"""
A double of Azure Key Vault's secrets over TLS, and no Azure: it knows what the documents say.

Requests are checked against the REST API reference, version 7.4 ("Set Secret", "Get Secret", "Get
Secret Versions", "Update Secret") and "Authentication, requests and responses" (the challenge).
What is not as documented is refused, and kept in `faults`.
"""

import json
import re
import ssl
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import trustme

DOMAIN = "vault.example.com"
HOST = f"responder.{DOMAIN}"
TOKEN = "a token for tests only"
TENANT = "11111111-2222-3333-4444-555555555555"
PAGE = 2  # 25 at Key Vault; small, so that few versions make several pages
_PATH = re.compile(r"^/secrets/([0-9a-zA-Z-]{1,127})(?:/(versions|[0-9a-f]{32}))?/?$")
_FIELDS = {"PUT": {"value", "attributes", "contentType", "tags"}}
_FIELDS["PATCH"] = _FIELDS["PUT"] - {"value"}


@dataclass
class Service:
    """What the vault holds, what it was asked, and what a test wants it to answer instead."""

    port: int = 0
    authority: str = ""
    resource: str = ""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    # "before": instead of doing it; "after": done, and then the answer is lost
    answers: list[tuple[str, int, dict[str, str], Any]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    deleted: set[str] = field(default_factory=set)
    secrets: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    absent_is_404: bool = False  # documents do not say whether an absent secret's versions are none

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: ClassVar[Service]

    def do_GET(self) -> None:
        self._serve()

    do_PUT = do_PATCH = do_DELETE = do_POST = do_GET  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        pass

    def _serve(self) -> None:
        vault = self.service
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        url = urlsplit(self.path)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            if raw:
                vault.faults.append("a body went out before anybody was asked who they are")
            said = (
                f'Bearer authorization="https://login.microsoftonline.com/{TENANT}", '
                f'resource="{vault.resource}"'
            )
            self._error(401, "Unauthorized", "AKV10000: no token", {"WWW-Authenticate": said})
            return
        vault.asked.append(f"{self.command} {url.path}")
        instead = vault.answers.pop(0) if vault.answers else None
        if instead and instead[0] == "before":
            self._answer(*instead[1:])
            return
        answer = self._done(url.path, parse_qs(url.query), raw)
        if instead:
            self.close_connection = True
        elif isinstance(answer, str):
            vault.faults.append(answer)
            self._error(400, "BadParameter", answer)
        elif answer is not None:
            self._answer(200, {}, answer)

    def _done(self, path: str, query: dict[str, list[str]], raw: bytes) -> Any:
        """The answer; a sentence about what is not as documented; None if an error was answered."""
        if query.get("api-version") != ["7.4"]:
            return f"api-version: {query.get('api-version')}"
        if not (found := _PATH.match(path)):
            return f"no such resource: {self.command} {path}"
        name, what = found.groups()
        if self.command in _FIELDS:
            if self.headers.get("Content-Type") != "application/json":
                return f"Content-Type: {self.headers.get('Content-Type')}"
            body = json.loads(raw)
            if fault := _fault(body, _FIELDS[self.command]):
                return fault
            return self._set(name, body) if self.command == "PUT" else self._patch(name, what, body)
        if self.command != "GET" or raw:
            return f"not asked for here: {self.command}"
        return self._page(name, query) if what == "versions" else self._get(name, what)

    def _set(self, name: str, body: dict[str, Any]) -> dict[str, Any] | str | None:
        vault = self.service
        if not isinstance(body.get("value"), str) or len(body["value"]) > 25 * 1024:
            return "value: text of at most 25 KB"
        if name in vault.deleted:
            inner = {"innererror": {"code": "ObjectIsDeletedButRecoverable"}}
            self._error(409, "Conflict", f"Secret {name} is deleted but recoverable", {}, inner)
            return None
        made = int(vault.now().timestamp())
        attributes = {
            "enabled": True,
            "created": made,
            "updated": made,
            "recoveryLevel": "Recoverable",
        }
        attributes |= body.get("attributes") or {}
        version = uuid.uuid4().hex
        one = {**body, "attributes": attributes, "id": f"{vault.url}/secrets/{name}/{version}"}
        vault.secrets.setdefault(name, {})[version] = one
        return one

    def _patch(self, name: str, version: str | None, body: dict[str, Any]) -> Any:
        if (one := self._one(name, version)) is None:
            return None
        one["attributes"] |= body.pop("attributes", None) or {}
        one |= body  # tags as a whole, not one by one
        return {k: v for k, v in one.items() if k != "value"}

    def _get(self, name: str, version: str | None) -> Any:
        if (one := self._one(name, version)) is None:
            return None
        if not one["attributes"]["enabled"]:
            inner = {"innererror": {"code": "SecretDisabled"}}
            self._error(403, "Forbidden", "not allowed on a disabled secret", {}, inner)
            return None
        return one

    def _one(self, name: str, version: str | None) -> dict[str, Any] | None:
        held = self.service.secrets.get(name, {})
        if version is None and held:
            return list(held.values())[-1]
        if version not in held:
            self._error(404, "SecretNotFound", f"A secret with {name}/{version} was not found")
            return None
        return held[version]

    def _page(self, name: str, query: dict[str, list[str]]) -> Any:
        vault = self.service
        if name not in vault.secrets and vault.absent_is_404:
            self._error(404, "SecretNotFound", f"A secret with {name} was not found")
            return None
        start = int(query.get("$skiptoken", ["0"])[0])
        rows = list(reversed(vault.secrets.get(name, {}).values()))  # in no order one may rely on
        token = f"?api-version=7.4&$skiptoken={start + PAGE}"
        more = f"{vault.url}/secrets/{name}/versions{token}" if start + PAGE < len(rows) else None
        page = rows[start : start + PAGE]
        return {
            "value": [{k: v for k, v in r.items() if k != "value"} for r in page],
            "nextLink": more,
        }

    def _error(
        self, status: int, code: str, message: str,
        headers: dict[str, str] | None = None, inner: dict[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self._answer(
            status, headers or {}, {"error": {"code": code, "message": message, **(inner or {})}}
        )

    def _answer(self, status: int, headers: dict[str, str], body: Any) -> None:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        all_of_them = {"Content-Type": "application/json; charset=utf-8", **headers}
        for name, value in {**all_of_them, "Content-Length": str(len(sent))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(sent)


def _fault(body: Any, fields: set[str]) -> str:
    if not isinstance(body, dict) or set(body) - fields:
        return f"a body of other fields: {sorted(body)}"
    tags = body.get("tags") or {}
    if len(tags) > 15 or any(len(k) > 256 or len(v) > 256 for k, v in tags.items()):
        return "tags: at most 15, of at most 256 characters"
    return ""


@contextmanager
def key_vault(folder: Path) -> Iterator[Service]:
    """A vault on loopback; its name must be resolved to there by who asks it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST).configure_cert(context)
    trusted = folder / "authority.pem"
    authority.cert_pem.write_to_path(trusted)
    service = Service(authority=str(trusted))
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (_Handler,), {"service": service})
    )
    server.daemon_threads = True
    server.socket = context.wrap_socket(server.socket, server_side=True)
    service.port = server.server_address[1]
    service.resource = f"https://{DOMAIN}:{service.port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
