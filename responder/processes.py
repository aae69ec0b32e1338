"""Processes of ours: forked from a zygote, watched, started again when they end."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import structlog

from responder.errors import StateError
from responder.zygote import command

log = structlog.get_logger(__name__)

_STOP_SECONDS = 10.0
_RECENT_SECONDS = 60.0
_QUICK = 5  # restarts within a minute that are made at once; more are made more and more slowly
_FIRST_WAIT = 0.1
_LONGEST_WAIT = 10.0


class Forked:
    """One process that the zygote started."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.Event()

    def note_end(self, status: int) -> None:
        """It has ended."""
        self.returncode = status
        self._ended.set()

    async def wait(self) -> int:
        """Wait for its end; its exit status, negative for a signal."""
        await self._ended.wait()
        return self.returncode if self.returncode is not None else -1

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still lives."""
        if self.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)


class Zygote:
    """The process that forks the others."""

    def __init__(self, environment: dict[str, str], log_file: Path | None) -> None:
        self._environment = environment
        self._log_file = log_file
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._children: dict[int, Forked] = {}
        self._starting: dict[str, asyncio.Future[Forked]] = {}

    async def start(self) -> None:
        """Start it; its imports go on while others work."""
        log = self._log_file.open("ab") if self._log_file else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *command(),
                env=self._environment,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        finally:
            if log is not None:
                log.close()
        self._reader = asyncio.create_task(self._read())

    async def fork(self, name: str, log_file: Path | None) -> Forked:
        """A new process that runs `responder NAME`. Raises `StateError` if there is none to be had."""
        if self._process is None or self._process.returncode is not None:
            raise StateError("the process that starts the others has ended; its log says why")
        ready = asyncio.create_task(self._ready.wait())
        ended = asyncio.create_task(self._process.wait())
        await asyncio.wait({ready, ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (ready, ended):
            task.cancel()
        if not self._ready.is_set():
            raise StateError(
                "the process that starts the others ended as soon as it started; its log says why"
            )
        started: asyncio.Future[Forked] = asyncio.get_running_loop().create_future()
        self._starting[name] = started
        assert self._process.stdin is not None
        order = {"name": name, "log": str(log_file) if log_file else ""}
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        await self._process.stdin.drain()
        return await started

    async def stop(self) -> None:
        """End it; its children have been ended before."""
        if self._process is not None and self._process.returncode is None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            try:
                async with asyncio.timeout(2):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            event = json.loads(line)
            if "ready" in event:
                self._ready.set()
            elif "started" in event:
                child = self._children[event["pid"]] = Forked(event["pid"])
                self._starting.pop(event["started"]).set_result(child)
            elif event["ended"] in self._children:
                self._children.pop(event["ended"]).note_end(event["status"])
        for child in self._children.values():  # nobody will tell of their end any more
            child.kill()
            child.note_end(-signal.SIGKILL)


async def end(process: Forked | asyncio.subprocess.Process, seconds: float) -> None:
    """Ask a process to end, and end it if it has not after *seconds*."""
    process.terminate()
    try:
        async with asyncio.timeout(seconds):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


class Child:
    """One process of ours, started again when it ends."""

    def __init__(self, name: str, zygote: Callable[[], Zygote], log_file: Path | None) -> None:
        self.name = name
        self._zygote = zygote
        self._log_file = log_file
        self.process: Forked | None = None
        self.restarts = 0
        self._recent: list[float] = []
        self._stopping = False

    async def watch(self) -> None:
        """Run it until `stop`; one that keeps ending is started more and more slowly."""
        while not self._stopping:
            self.process = await self._zygote().fork(self.name, self._log_file)
            status = await self.process.wait()
            if self._is_stopping():
                return
            now = time.monotonic()
            self._recent = [at for at in self._recent if now - at < _RECENT_SECONDS] + [now]
            self.restarts += 1
            many = len(self._recent) - _QUICK
            wait = _FIRST_WAIT if many <= 0 else min(_FIRST_WAIT * 2**many, _LONGEST_WAIT)
            log.warning("process_ended", process=self.name, status=status, again_in_seconds=wait)
            await asyncio.sleep(wait)

    def _is_stopping(self) -> bool:
        return self._stopping

    async def stop(self) -> None:
        """Ask it to end, and end it if it does not."""
        self._stopping = True
        process = self.process
        if process is None or process.returncode is not None:
            return
        await end(process, _STOP_SECONDS)
