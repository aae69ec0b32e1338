"""Commands on this machine, in a session of their own."""

import asyncio
import contextlib
import os
import signal

from activities.shell import CHUNK, COMMAND_SECONDS, Completed, check_size
from responder.access import Local
from responder.errors import Unreachable


class LocalShell:
    """Commands on this machine, behind a prefix."""

    def __init__(self, access: Local, *, command_seconds: float = COMMAND_SECONDS) -> None:
        self._prefix = access.prefix
        self._seconds = command_seconds

    async def run(self, *words: str, stdin: str = "") -> Completed:
        try:
            process = await asyncio.create_subprocess_exec(
                *self._prefix,
                *words,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(f"{words[0]} cannot be started here: {error}") from error
        try:
            async with asyncio.timeout(self._seconds):
                out, err, _ = await asyncio.gather(
                    _drained(process.stdout, words[0]),
                    _drained(process.stderr, words[0]),
                    _fed(process.stdin, stdin),
                )
                status = await process.wait()
        except TimeoutError as error:
            raise Unreachable(f"{words[0]} did not end within {self._seconds:g} s") from error
        finally:
            if process.returncode is None:
                await _killed(process)
        return Completed(status=status, out=out, err=err)

    async def close(self) -> None:
        """Nothing is kept open."""


async def _drained(stream: asyncio.StreamReader | None, program: str) -> str:
    chunks: list[bytes] = []
    size = 0
    while stream is not None and (chunk := await stream.read(CHUNK)):
        size += len(chunk)
        check_size(size, program)
        chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace")


async def _killed(process: asyncio.subprocess.Process) -> None:
    """End a command and what it started; a daemon that kept its streams is not waited for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(1):
            # asyncio sees no end while there is something left to read.
            for stream in (process.stdout, process.stderr):
                while stream is not None and await stream.read(CHUNK):
                    pass
            await process.wait()


async def _fed(stream: asyncio.StreamWriter | None, text: str) -> None:
    """Say *text* to a command; one that does not listen to the end is not at fault."""
    if stream is None:
        return
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        stream.write(text.encode())
        await stream.drain()
    stream.close()
