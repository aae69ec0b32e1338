"""The command line, called in this process or in one of its own."""

import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from responder.cli import main


@dataclass(frozen=True)
class Said:
    """What a command left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command in a folder and an environment of its own."""
    for name in os.environ:
        if name not in ("PATH", "LANG", "LC_ALL"):
            monkeypatch.delenv(name)
    for name, value in {"HOME": str(tmp_path), "USER": "ana", "NO_COLOR": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "400")
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> Said:
        monkeypatch.setattr(sys, "argv", ["responder", *words])
        status: object = 0
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
        out, err = capsys.readouterr()
        return Said(int(str(status)), out, err)

    return run


@dataclass
class Api:
    """A server that gives one answer to everything."""

    url: str
    status: int = 200
    body: str = "{}"


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch, run: Run) -> Iterator[Api]:
    """Where the command line asks; its answer can be set."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = there.body.encode()
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(there.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = answer  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
            """Quietly."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    there = Api(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setenv("RESPONDER_URL", there.url)
    monkeypatch.setenv("RESPONDER_TOKEN", "rsp_nothing")
    yield there
    server.shutdown()
    server.server_close()
    thread.join()
