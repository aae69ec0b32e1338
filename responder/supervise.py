"""`up`: embedded Temporal, `serve` and `worker` as processes that are watched and started again."""

import asyncio
import fcntl
import os
import secrets
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from typing import IO

import structlog

from responder.embedded import Embedded
from responder.errors import StateError
from responder.keys import Keys
from responder.processes import Child, Zygote
from responder.settings import Settings

log = structlog.get_logger(__name__)

_READY_SECONDS = 90.0  # generous: a child that only ends is noticed long before


class Supervisor:
    """Everything that runs on one machine, from one state folder."""

    def __init__(
        self, settings: Settings, environment: dict[str, str], *, logs_to_files: bool = False
    ) -> None:
        self.settings = settings
        codec = secrets.token_urlsafe(24)
        environment = {**environment, "RESPONDER_CODEC_PATH": codec, "PYTHONUNBUFFERED": "1"}
        endpoint = f"{settings.api.url}/codec/{codec}" if settings.api.codec == "loopback" else None
        self.temporal: Embedded | None = None
        if settings.temporal.address is None:
            self.temporal = Embedded(settings.temporal, settings.state, codec_endpoint=endpoint)
        logs = settings.state / "logs" if logs_to_files else None
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.zygote = Zygote(environment, logs and logs / "zygote.log")
        self.serve = Child("serve", lambda: self.zygote, logs and logs / "serve.log")
        self.worker = Child("worker", lambda: self.zygote, logs and logs / "worker.log")
        self._lock: IO[str] | None = None
        self._watches: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start all parts and wait until they are ready. Raises `StateError` if they cannot be."""
        self._take_lock()
        keys = Keys(self.settings.state)
        keys.make_missing()
        keys.make_for_workers()
        # All at once: each of them waits for what it needs of the others.
        await self.zygote.start()
        self._watches += [asyncio.create_task(child.watch()) for child in (self.serve, self.worker)]
        if self.temporal is not None:
            adopted = await self.temporal.start()
            log.info("temporal_ready", ui=self.temporal.ui, adopted=adopted)
            self._watches.append(asyncio.create_task(self._watch_temporal(self.temporal)))
        await self._until_answering("/readyz?worker=true")

    async def stop(self) -> None:
        """Stop all parts, the worker first, so that it finishes what it has in hand."""
        for child in (self.worker, self.serve):
            await child.stop()
        await self.zygote.stop()
        for watch in self._watches:  # before Temporal, or its end would be mended
            watch.cancel()
            with suppress(asyncio.CancelledError, StateError, OSError):  # the zygote's pipe is gone
                await watch
        if self.temporal is not None:
            await self.temporal.stop()
        if self._lock is not None:
            self._lock.close()

    async def _watch_temporal(self, temporal: Embedded) -> None:
        while True:
            status = await temporal.ended()
            log.warning("temporal_ended", status=status, doing="starting it again")
            while True:
                await asyncio.sleep(0.3)
                try:
                    await temporal.start()
                    break
                except StateError as error:
                    log.error("temporal_not_started", error=str(error))
                    await asyncio.sleep(3)

    async def _until_answering(self, path: str) -> None:
        """Wait for serve to answer 200 on *path*; a child that only ends is reported, not waited for."""
        give_up = time.monotonic() + _READY_SECONDS
        while time.monotonic() < give_up:
            if await _status(self.settings.api.host, self.settings.api.port, path) == 200:  # noqa: PLR2004 - HTTP's OK
                return
            for watch in self._watches:
                if watch.done():
                    watch.result()
            if self.serve.restarts > 1:
                raise StateError("`responder serve` ends as soon as it starts; its log says why")
            await asyncio.sleep(0.05)
        raise StateError(f"{self.settings.api.url}{path} was not ready within {_READY_SECONDS:g} s")

    def _take_lock(self) -> None:
        folder = self.settings.state
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (folder / "up.lock").open("w")
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StateError(
                f"another `responder up` runs on {folder}\n\n"
                "hint: stop it first, or set another state folder with RESPONDER_STATE"
            ) from error
        except OSError as error:
            raise StateError(f"the state folder cannot be used: {error}") from error
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock


async def _status(host: str, port: int, path: str) -> int:
    """The status of a GET, by hand: half a second of imports is not worth one number."""
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(
                    f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
                )
                return int((await reader.readline()).split()[1])
            finally:  # also if it does not answer in time
                writer.close()
    except (OSError, TimeoutError, ValueError, IndexError):
        return 0


async def run_up(settings: Settings, ready: Callable[[Supervisor], None]) -> None:
    """Keep everything running until SIGTERM or SIGINT; calls *ready* once all answers."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    supervisor = Supervisor(settings, dict(os.environ))
    starting = asyncio.create_task(supervisor.start())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            ready(supervisor)
            await stop.wait()
    finally:
        stopping.cancel()
        starting.cancel()
        with suppress(asyncio.CancelledError, StateError):
            await starting
        await supervisor.stop()
