"""
moto's server as a process of its own on loopback, and a door before it that tests can shut.

The door is a real HTTP server: what reaches the emulator went through boto3, a socket and back. It
can refuse a request before it arrives, lose the answer after it arrived, and answer itself what
the emulator cannot do.
"""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

STARTED_WITHIN = 60.0  # seconds
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "MOTO_EC2_LOAD_DEFAULT_AMIS": "false",
}
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "server", "date"}


@dataclass(frozen=True)
class Call:
    """One request as it came through the door."""

    service: str
    operation: str
    params: dict[str, str]
    body: bytes = b""
    path: str = ""


Said = tuple[int, str, bytes] | tuple[int, str, bytes, dict[str, str]]
Answering = Callable[[Call], Said | None]  # None: go on to the emulator


@dataclass
class Door:
    """What stands between boto3 and the emulator."""

    url: str
    calls: list[Call] = field(default_factory=list)
    answering: list[Answering] = field(default_factory=list)
    die_at: int | None = None
    lose_answer: bool = False
    dead: bool = False

    def reset(self) -> None:
        """Open again, and forget what came through."""
        self.calls.clear()
        self.answering.clear()
        self.die_at, self.lose_answer, self.dead = None, False, False

    def kill_at(self, number: int, *, lose_answer: bool) -> None:
        """From the *number*th change on nothing comes through; the first one's answer may be lost."""
        self.die_at, self.lose_answer, self.dead = number, lose_answer, False
        self.calls.clear()

    def revive(self) -> None:
        """Let everything through again."""
        self.die_at, self.dead = None, False

    @property
    def changes(self) -> list[str]:
        """The names of the requests so far that change something."""
        return [one.operation for one in self.calls if is_change(one.operation)]


def is_change(operation: str) -> bool:
    """Whether a request of this name changes something."""
    return not operation.startswith(("Describe", "Get", "List"))


def _parsed(path: str, headers: dict[str, str], body: bytes) -> Call:
    credential = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", headers.get("authorization", ""))
    service = credential.group(1) if credential else ""
    target = headers.get("x-amz-target", "")
    if target:
        return Call(service, target.rpartition(".")[2], {}, body, path)
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        params = dict(urllib.parse.parse_qsl(body.decode(), keep_blank_values=True))
        return Call(service, params.get("Action", ""), params, body, path)
    return Call(service, {"ebs": "GetSnapshot"}.get(service, path), {}, body, path)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    door: Door
    behind: str

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass

    def do_GET(self) -> None:
        self._any()

    def do_POST(self) -> None:
        self._any()

    def do_PUT(self) -> None:
        self._any()

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        headers = {k.lower(): v for k, v in self.headers.items()}
        call = _parsed(self.path, headers, body)
        door = self.door
        door.calls.append(call)
        last = door.die_at is not None and len(door.changes) >= door.die_at
        if door.dead or (last and not door.lose_answer):
            door.dead = True
            self._say(418, "text/plain", b"the process died here")
            return
        for answer in door.answering:
            match answer(call):
                case (status, kind, content):
                    self._say(status, kind, content)
                    return
                case (status, kind, content, more):
                    self._say(status, kind, content, more)
                    return
        status, kind, content, more = self._forward(headers, body)
        if last:
            door.dead = True
            self._say(418, "text/plain", b"the process died here")
            return
        self._say(status, kind, content, more)

    def _forward(
        self, headers: dict[str, str], body: bytes
    ) -> tuple[int, str, bytes, dict[str, str]]:
        # http.client adds no header of its own: urllib would call a body a form.
        behind = http.client.HTTPConnection(urllib.parse.urlsplit(self.behind).netloc, timeout=30)
        kept = {k: v for k, v in headers.items() if k not in ("connection", "expect")}
        try:
            behind.request(self.command, self.path, body=body or None, headers=kept)
            answer = behind.getresponse()
            status, got, content = answer.status, dict(answer.getheaders()), answer.read()
        finally:
            behind.close()
        more = {k: v for k, v in got.items() if k.lower() not in (*_HOP_BY_HOP, "content-type")}
        return status, got.get("Content-Type", "text/xml"), content, more

    def _say(
        self, status: int, kind: str, content: bytes, more: dict[str, str] | None = None
    ) -> None:
        self.send_response(status)
        for name, value in (more or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def emulator(folder: Path) -> Iterator[str]:
    """moto's server, ended by its pid; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = folder / "moto.log"
    with log.open("wb") as out:
        words = (sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port))
        process = subprocess.Popen(
            words,
            stdout=out,
            stderr=out,
            env={**os.environ, **ENVIRONMENT, "AWS_DEFAULT_REGION": "eu-central-1"},
        )
        try:
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + STARTED_WITHIN
            while True:
                if process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"moto did not start: {log.read_text()[-2000:]}")
                try:
                    with urllib.request.urlopen(f"{url}/moto-api/data.json", timeout=5):  # noqa: S310
                        break
                except OSError:
                    time.sleep(0.1)
            yield url
        finally:
            process.kill()
            process.wait()


@contextmanager
def door(behind: str) -> Iterator[Door]:
    """A door before the emulator at *behind*."""
    made = Door(url="")
    handler = type("Handler", (_Handler,), {"door": made, "behind": behind})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    made.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
