"""What messages reach in tests: a real SMTP server with TLS, and HTTP receivers that check what comes."""

import base64
import hmac
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope, LoginPassword, Session

SECRET = base64.b64encode(b"a signing secret of 24 by").decode()
PASSWORD = "a password for tests only"
ROUTING_KEY = "R" * 32


@dataclass
class Mailbox:
    """An SMTP server that demands STARTTLS and a sign-in, and what it was handed."""

    authority: trustme.CA
    port: int = 0
    answers: list[str] = field(default_factory=list)  # instead of taking the next ones
    taken: list[Envelope] = field(default_factory=list)

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, server: object, session: Session, envelope: Envelope
    ) -> str:
        """Take a mail, or say what a test wants said."""
        if self.answers:
            return self.answers.pop(0)
        self.taken.append(envelope)
        return "250 OK: queued"


def _signs_in(_s: object, _session: object, _e: object, _m: object, data: Any) -> AuthResult:
    good = isinstance(data, LoginPassword) and data.password == PASSWORD.encode()
    return AuthResult(success=good, handled=good)


@contextmanager
def smtp() -> Iterator[Mailbox]:
    """A mail server on loopback."""
    authority = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    with socket.socket() as free:  # the controller cannot be given port 0: it connects to itself
        free.bind(("127.0.0.1", 0))
        box = Mailbox(authority, free.getsockname()[1])
    running = Controller(
        box, hostname="127.0.0.1", port=box.port, tls_context=context, require_starttls=True,
        authenticator=_signs_in, auth_required=True,
    )  # fmt: skip
    running.start()
    try:
        yield box
    finally:
        running.stop()


@dataclass
class Receiver:
    """An HTTP server that keeps what it is posted and answers as a test says."""

    url: str = ""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    taken: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)


def _fault_of_pagerduty(body: dict[str, Any], _headers: Any, _raw: bytes) -> str:
    """What Events API v2 would refuse with 400, by its documented schema."""
    payload = body.get("payload", {})
    if body.get("routing_key") != ROUTING_KEY or len(body["routing_key"]) != 32:
        return "routing_key"
    if body.get("event_action") not in ("trigger", "acknowledge", "resolve"):
        return "event_action"
    if not 0 < len(body.get("dedup_key", "")) <= 255:
        return "dedup_key"
    if not 0 < len(payload.get("summary", "")) <= 1024 or not payload.get("source"):
        return "summary or source"
    return "" if payload.get("severity") in ("critical", "error", "warning", "info") else "severity"


def _fault_of_webhook(_body: dict[str, Any], headers: Any, raw: bytes) -> str:
    """What a receiver that follows Standard Webhooks refuses."""
    signed = b".".join((headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), raw))
    proof = base64.b64encode(hmac.digest(base64.b64decode(SECRET), signed, "sha256")).decode()
    return "" if headers["webhook-signature"] == f"v1,{proof}" else "signature"


@contextmanager
def http(kind: str) -> Iterator[Receiver]:
    """A receiver on loopback: `pagerduty` or `webhook`."""
    receiver = Receiver()
    fault = {"pagerduty": _fault_of_pagerduty, "webhook": _fault_of_webhook}[kind]

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["content-length"]))
            body = json.loads(raw)
            receiver.headers.append({k.lower(): v for k, v in self.headers.items()})
            status, more = (202, {}) if not receiver.answers else receiver.answers.pop(0)
            if said := fault(body, self.headers, raw):
                receiver.faults.append(said)
                status = 400
            if status < 300:
                receiver.taken.append(body)
            self.send_response(status)
            for name, value in more.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
