"""Safe by construction: this process may write below one folder, and reach nothing but this machine's loopback."""

import os
import sys
from pathlib import Path
from typing import Any

_WRITING = frozenset({"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.chown", "os.link",
                      "os.symlink", "os.truncate", "os.utime", "shutil.rmtree", "shutil.move"})  # fmt: skip
_STARTING = frozenset({"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork",
                       "os.forkpty"})  # fmt: skip
_LOOPBACK = ("127.", "::1")
_CHANGES = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC


class Forbidden(RuntimeError):
    """A rehearsal tried to do something to the world."""


def forbid(folder: Path) -> None:
    """
    Refuse, for the rest of this process, every socket beyond loopback and every write outside *folder*.

    Audit hooks (PEP 578) cannot be taken away again by whoever runs after. Temporal's own client is
    compiled and is not seen by them: it knows one address, the server's on loopback.
    """
    root = os.path.realpath(folder)

    def hook(event: str, args: tuple[Any, ...]) -> None:
        if event in ("socket.connect", "socket.sendto", "socket.bind"):
            _only_loopback(event, args[1])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            _only_loopback(event, (args[0] or "127.0.0.1",))
        elif event == "open":
            path, mode, flags = args
            if isinstance(path, (str, bytes)) and _writes(mode, flags):
                _only_below(root, event, path)
        elif (event == "sqlite3.connect" and args[0] != ":memory:") or event in _WRITING:
            _only_below(root, event, args[0])
        elif event in _STARTING:
            raise Forbidden(f"a rehearsal starts no program: {event}")

    sys.addaudithook(hook)


def _only_loopback(event: str, address: Any) -> None:  # noqa: ANN401 - of any family
    host = address[0] if isinstance(address, tuple) and address else address
    if isinstance(host, bytes):
        host = host.decode(errors="replace")
    if not isinstance(host, str) or not (host == "localhost" or host.startswith(_LOOPBACK)):
        raise Forbidden(f"a rehearsal reaches nobody: {event} {host!r}")


def _writes(mode: str | None, flags: int | None) -> bool:
    if mode is not None:
        return any(letter in mode for letter in "wax+")
    return bool((flags or 0) & _CHANGES)


def _only_below(root: str, event: str, path: Any) -> None:  # noqa: ANN401 - a path of any kind
    if isinstance(path, int):
        return  # opened before, and judged then
    named = os.path.realpath(os.fspath(path))
    named = named.decode(errors="replace") if isinstance(named, bytes) else named
    if named != root and not named.startswith(root + os.sep) and named != os.devnull:
        raise Forbidden(f"a rehearsal writes nothing outside its folder: {event} {named}")
