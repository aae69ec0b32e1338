"""
Commands whose output is too large to hold: read as it comes, hashed where it is made.

The host hashes what it sends in the pass that sends it, and says the digest at the end, over its
standard error. Nothing is written on the host, not even a pipe with a name: the output goes through
unnamed pipes of a POSIX shell to `tee`, which feeds `sha256sum` and us.
"""

import os
import re
import secrets
import selectors
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from activities.shell import CHUNK
from activities.ssh import SSHShell
from responder.access import Access, Local, OverSSH
from responder.errors import Unreachable
from responder.incident import Frozen

if TYPE_CHECKING:
    import paramiko

_LOOK_SECONDS = 0.5  # how often a silent command is looked at
_COMPLAINT = 65536  # bytes of standard error that are kept; the last ones
_END_SECONDS = 10.0  # from the end of the output to the end of the command

# $1 a random mark, $2 the limit in bytes, then the words of the command. The group in the middle
# writes to a pipe of our own (fd 3, read by `cat`): sshd may give a socket as standard output, which
# cannot be opened through /dev/fd. Digest and status go to standard error (fd 4), behind the mark.
ENVELOPE = r"""
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C; export PATH LC_ALL; mark=$1 most=$2; shift 2
{ {
  { "$@" 3>&- 4>&-; printf '\n%s status %s\n' "$mark" "$?" >&4; } |
  head -c "$most" 3>&- 4>&- | tee /dev/fd/3 4>&- |
  { sum=$(sha256sum 3>&- 4>&-); printf '\n%s sha256 %s\n' "$mark" "${sum%% *}" >&4; }
} 3>&1 | cat; } 4>&2
"""


class Failed(Exception):
    """A command's output is not whole, or says nothing; the connection is not at fault."""


class Silent(Unreachable):
    """No byte came for as long as was waited: the command may hang, or the connection be dead."""


class Ended(Frozen):
    """How a command ended whose whole output came."""

    status: int | None
    sha256: str
    complaint: str


class Transfer(Protocol):
    """
    One command's output, once: its chunks, then `ended`. Blocks; iterate over it in a thread.

    Raises `Unreachable` if the connection was lost, `Silent` if nothing came for too long, and
    `Failed` if it was stopped or took too long.
    """

    line: str
    received: int

    @property
    def ended(self) -> Ended | None:
        """How it ended; None until its last chunk was taken."""
        ...

    def __iter__(self) -> Iterator[bytes]: ...

    def stop(self) -> None:
        """End it soon, from any thread."""
        ...


class Limits(Frozen):
    """How much one command may say, and how long it may take."""

    most: int = 1 << 30  # bytes
    seconds: float = 600.0
    silent_seconds: float = 60.0


class Streams(Protocol):
    """Where commands run whose output is streamed."""

    async def transfer(self, words: Sequence[str], limits: Limits) -> Transfer:
        """A transfer that is ready to begin. Raises `Unreachable` if the host cannot be reached."""
        ...


class SSHStreams:
    """Streamed commands on the kept connection of an `SSHShell`."""

    def __init__(self, shell: SSHShell, access: OverSSH) -> None:
        self._shell = shell
        self._access = access

    async def transfer(self, words: Sequence[str], limits: Limits) -> Transfer:
        prefix = ("sudo", "-n") if self._access.sudo else ()
        client = await self._shell.connected()
        return _OverSSH(client, prefix, words, limits, self._shell.where)


class LocalStreams:
    """Streamed commands on this machine, behind a prefix."""

    def __init__(self, access: Local) -> None:
        self._prefix = access.prefix

    async def transfer(self, words: Sequence[str], limits: Limits) -> Transfer:
        return _Here(self._prefix, words, limits)


def open_streams(access: Access, shell: object) -> Streams:
    """The streams beside a kept *shell* of the same access."""
    if isinstance(access, OverSSH) and isinstance(shell, SSHShell):
        return SSHStreams(shell, access)
    if isinstance(access, Local):
        return LocalStreams(access)
    raise TypeError(f"expected the shell of {access.via}, found {type(shell).__name__}")


class _Both:
    """What both kinds of transfer have in common."""

    def __init__(self, words: Sequence[str], limits: Limits, prefix: Sequence[str]) -> None:
        self._mark = f"responder-{secrets.token_hex(16)}"
        self._limits = limits
        self._stopped = threading.Event()
        self._complaint = bytearray()
        self._words = (
            *prefix, "sh", "-c", ENVELOPE, "evidence", self._mark, str(limits.most), *words
        )  # fmt: skip
        self.line = shlex.join(words)
        self.received = 0
        self.ended: Ended | None = None

    def stop(self) -> None:
        """End it soon, from any thread."""
        self._stopped.set()

    def _check(self, began: float, last: float) -> None:
        now = time.monotonic()
        if self._stopped.is_set():
            raise Failed("was stopped")
        if now - began > self._limits.seconds:
            raise Failed(f"took longer than {self._limits.seconds:g} s")
        if now - last > self._limits.silent_seconds:
            raise Silent(f"said nothing for {self._limits.silent_seconds:g} s")

    def _complain(self, data: bytes) -> None:
        self._complaint += data
        del self._complaint[:-_COMPLAINT]

    def _end(self) -> Ended:
        """What the trailer says. Raises `Unreachable` if it did not come whole."""
        text = self._complaint.decode(errors="replace")
        sums = re.findall(rf"\n{self._mark} sha256 ([0-9a-f]{{64}})\n", text)
        statuses = re.findall(rf"\n{self._mark} status (\d+)\n", text)
        if not sums:
            if "sha256sum" in text or "tee" in text:
                raise Failed(
                    f"the host could not hash what it sent: {' '.join(text.split())[:300]}"
                )
            raise Unreachable("the output ended before its digest came: it is not whole")
        said = re.sub(rf"\n{self._mark} \w+ \w+\n", "", text).strip()
        # No status: `head` had enough and the command still ran when it was told.
        return Ended(
            status=int(statuses[-1]) if statuses else None, sha256=sums[-1], complaint=said
        )


class _OverSSH(_Both):
    def __init__(
        self,
        client: "paramiko.SSHClient",
        prefix: Sequence[str],
        words: Sequence[str],
        limits: Limits,
        where: str,
    ) -> None:
        super().__init__(words, limits, prefix)
        self._client = client
        self._where = where

    def __iter__(self) -> Iterator[bytes]:
        import paramiko  # noqa: PLC0415 - already imported by the connection

        began = last = time.monotonic()
        channel: paramiko.Channel | None = None
        try:
            transport = _transport(self._client)
            channel = transport.open_session(timeout=_END_SECONDS)
            channel.settimeout(_LOOK_SECONDS)
            channel.exec_command(shlex.join(self._words))
            channel.shutdown_write()
            while True:
                self._drain(channel)
                self._check(began, last)
                try:
                    chunk = channel.recv(CHUNK)
                except TimeoutError:
                    if not transport.is_active():
                        raise Unreachable("the connection was lost") from None
                    continue
                if not chunk:
                    break
                last = time.monotonic()
                self.received += len(chunk)
                yield chunk
            self._wait(channel)
            self.ended = self._end()
        except (Unreachable, Failed) as error:
            raise type(error)(f"{self._where}: {error}") from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(f"{self._where}: {type(error).__name__}: {error}") from error
        finally:
            if channel is not None:
                channel.close()

    def _wait(self, channel: "paramiko.Channel") -> None:
        """Read standard error to its end; the command is done when its output is."""
        give_up = time.monotonic() + _END_SECONDS
        while time.monotonic() < give_up:
            try:
                data = channel.recv_stderr(CHUNK)
            except TimeoutError:
                continue
            if not data:
                return
            self._complain(data)

    def _drain(self, channel: "paramiko.Channel") -> None:
        """Read what is there of standard error: a full window would stop the command."""
        while channel.recv_stderr_ready():
            self._complain(channel.recv_stderr(CHUNK))


class _Here(_Both):
    def __init__(self, prefix: Sequence[str], words: Sequence[str], limits: Limits) -> None:
        super().__init__(words, limits, prefix)

    def __iter__(self) -> Iterator[bytes]:
        began = last = time.monotonic()
        try:
            process = subprocess.Popen(
                self._words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
                bufsize=0,
            )
        except OSError as error:
            raise Unreachable(f"{self._words[0]} cannot be started here: {error}") from error
        out, err = process.stdout, process.stderr
        assert out is not None
        assert err is not None
        try:
            with selectors.DefaultSelector() as ready:
                ready.register(out, selectors.EVENT_READ)
                ready.register(err, selectors.EVENT_READ)
                while ready.get_map():
                    self._check(began, last)
                    for key, _ in ready.select(_LOOK_SECONDS):
                        data = out.read(CHUNK) if key.fileobj is out else err.read(CHUNK)
                        if not data:
                            ready.unregister(key.fileobj)
                        elif key.fileobj is out:
                            last = time.monotonic()
                            self.received += len(data)
                            yield data
                        else:
                            self._complain(data)
            self.ended = self._end()
        finally:
            if process.poll() is None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            out.close()
            err.close()


def _transport(client: "paramiko.SSHClient") -> "paramiko.Transport":
    if (transport := client.get_transport()) is None:
        raise Unreachable("the connection is closed")
    return transport
