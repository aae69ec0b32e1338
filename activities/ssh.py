"""Commands over SSH, by paramiko in threads: one kept connection carries many at once."""

import asyncio
import base64
import shlex
import socket
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from activities.shell import CHUNK, COMMAND_SECONDS, MOST_OUTPUT, Completed, check_size
from responder.access import OverSSH
from responder.errors import Unreachable

if TYPE_CHECKING:
    import paramiko

_CONNECT_SECONDS = 5.0
_SSH_PORT = 22
_THREADS = 4  # for each connection, so that a dead host holds up nobody else
_REFUSED_ALGORITHMS = {
    "keys": ["ssh-rsa"],
    "macs": ["hmac-md5", "hmac-md5-96", "hmac-sha1-96"],
    "ciphers": ["3des-cbc", "aes128-cbc", "aes192-cbc", "aes256-cbc"],
}


class SSHShell:
    """
    Commands over one kept SSH connection: pinned host key, one key, no agent, no look-up of keys.

    paramiko blocks, so it works in threads; its connections carry many commands at once.
    TCP_NODELAY is set because without it each command waits for delayed acknowledgements.
    """

    def __init__(
        self,
        access: OverSSH,
        *,
        connect_seconds: float = _CONNECT_SECONDS,
        command_seconds: float = COMMAND_SECONDS,
    ) -> None:
        self._access = access
        self._connect_seconds = connect_seconds
        self._command_seconds = command_seconds
        self._client: paramiko.SSHClient | None = None
        self._connecting = asyncio.Lock()
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix=f"ssh-{access.address}")

    async def run(self, *words: str, stdin: str = "") -> Completed:
        prefix = ("sudo", "-n") if self._access.sudo else ()
        line = shlex.join((*prefix, *words))
        client = await self.connected()
        seconds = self._command_seconds
        running = self._threads.submit(_run, client, line, stdin, seconds)
        try:
            async with asyncio.timeout(seconds + 1):
                return await asyncio.wrap_future(running)
        except Unreachable as error:
            self._drop(client)
            raise Unreachable(f"{self.where}: {error.message}") from error
        except TimeoutError as error:
            self._drop(client)
            said = f"{self.where}: {words[0]} did not end within {seconds:g} s"
            raise Unreachable(said) from error

    async def close(self) -> None:
        """End the connection; the next command opens another."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.wrap_future(self._threads.submit(client.close))

    @property
    def where(self) -> str:
        """Whom it signs in as, and where."""
        return f"{self._access.user}@{self._access.address}:{self._access.port}"

    def _drop(self, client: "paramiko.SSHClient") -> None:
        """Close *client*, and forget it unless another has taken its place meanwhile."""
        if self._client is client:
            self._client = None
        self._threads.submit(client.close)

    async def connected(self) -> "paramiko.SSHClient":
        """The kept connection, opened if need be. Raises `Unreachable`."""
        async with self._connecting:
            if self._client is not None:
                transport = self._client.get_transport()
                if transport is not None and transport.is_active():
                    return self._client
                self._drop(self._client)
            most = 4 * self._connect_seconds  # the name, the connection, the keys, the sign-in
            connecting = self._threads.submit(_connect, self._access, self._connect_seconds)
            try:
                async with asyncio.timeout(most):
                    self._client = await asyncio.wrap_future(connecting)
            except BaseException as error:
                connecting.add_done_callback(_close_unwanted)
                if isinstance(error, TimeoutError):
                    said = f"{self.where}: no SSH connection within {most:g} s"
                    raise Unreachable(said) from error
                raise
            return self._client


def _close_unwanted(connecting: "Future[paramiko.SSHClient]") -> None:
    """Hang up a connection that came when nobody waited for it any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()


def _connect(access: OverSSH, seconds: float) -> "paramiko.SSHClient":
    import paramiko  # noqa: PLC0415 - half a second to import, and only needed with SSH

    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.RejectPolicy())
    try:
        kind, blob = access.host_key.split()[:2]
        host_key = paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
        entry = access.address if access.port == _SSH_PORT else f"[{access.address}]:{access.port}"
        client.get_host_keys().add(entry, host_key.get_name(), host_key)
        key = paramiko.PKey.from_path(access.key_file)
        raw = socket.create_connection((access.address, access.port), seconds)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.connect(
            access.address,
            port=access.port,
            username=access.user,
            pkey=key,
            sock=raw,
            allow_agent=False,
            look_for_keys=False,
            timeout=seconds,
            banner_timeout=seconds,
            auth_timeout=seconds,
            channel_timeout=seconds,
            disabled_algorithms=_REFUSED_ALGORITHMS,
        )
    except Exception as error:  # whatever it was, what the host holds is unknown
        client.close()
        where = f"{access.user}@{access.address}:{access.port}"
        raise Unreachable(f"{where}: {type(error).__name__}: {error}") from error
    transport = client.get_transport()
    if transport is not None:
        transport.set_keepalive(15)
    return client


def _run(client: "paramiko.SSHClient", line: str, stdin: str, seconds: float) -> Completed:
    import paramiko  # noqa: PLC0415 - already imported by the connection

    program = line.split(maxsplit=1)[0]
    try:
        into, out, err = client.exec_command(line, timeout=seconds)
        _feed(into, stdin)
        said = _read(out.channel, program)
        complaint = err.read(MOST_OUTPUT).decode(errors="replace")
        status = out.channel.recv_exit_status()
    except (OSError, EOFError, paramiko.SSHException) as error:
        raise Unreachable(f"{program}: {type(error).__name__}: {error}") from error
    if status < 0:
        raise Unreachable(f"{program}: the connection ended before the command did")
    return Completed(status=status, out=said, err=complaint)


def _feed(into: "paramiko.ChannelFile", text: str) -> None:
    """Say *text* to a command; one that ends without listening is not at fault."""
    try:
        if text:
            into.write(text)
        into.channel.shutdown_write()
    except OSError:
        if not into.channel.closed:
            raise


def _read(channel: "paramiko.Channel", program: str) -> str:
    chunks: list[bytes] = []
    size = 0
    while chunk := channel.recv(CHUNK):
        size += len(chunk)
        check_size(size, program)
        chunks.append(chunk)
    return b"".join(chunks).decode(errors="replace")
