"""
Runs a command where the kernel lets it reach and write nothing, and tells what it tried: `python -m …apart -- COMMAND`.

To be started in new mount and network namespaces. Loopback is brought up; every mount is made
read-only but `/var/tmp`, which is empty and in memory; the environment is emptied. What the kernel saw
meanwhile goes to standard error as the last line, as JSON.
"""

import ctypes
import errno
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

SCRATCH = "/var/tmp"  # noqa: S108 - in memory, and gone with the namespace
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE, _RDONLY = 442, -100, 0x8000, 1  # linux/mount.h
_CREATE, _MOVED_TO = 0x100, 0x80  # linux/inotify.h
_LIBC = ctypes.CDLL(None, use_errno=True)
_EVENT = struct.Struct("iIII")
# Of each table of the kernel, which column holds the addresses of a socket's two ends.
_TABLES = ("tcp", "tcp6", "udp", "udp6", "udplite", "raw", "raw6", "icmp")
_LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}
_NOWHERE = {"00000000", "0" * 32}


def main() -> int:
    """Set up, run, tell."""
    subprocess.run(("ip", "link", "set", "lo", "up"), check=True)
    attributes = struct.pack("QQQQ", _RDONLY, 0, 0, 0)
    if _LIBC.syscall(_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, attributes, len(attributes)):
        raise OSError(ctypes.get_errno(), "mount_setattr")
    subprocess.run(("mount", "-t", "tmpfs", "tmpfs", SCRATCH), check=True)
    seen: dict[str, Any] = {
        "writable": [place for place in sys.argv[2].split(":") if not _refuses(place)],
        "interfaces": [name for _, name in socket.if_nameindex()],
    }
    names = _LIBC.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    _LIBC.inotify_add_watch(names, SCRATCH.encode(), _CREATE | _MOVED_TO)
    stop, sockets = threading.Event(), set[str]()
    watching = threading.Thread(target=_watch, args=(stop, sockets))
    before = _unroutable()
    watching.start()
    try:
        done = subprocess.run(sys.argv[4:], env={}, check=False)
    finally:
        stop.set()
        watching.join()
    seen |= {
        "sockets": sorted(sockets),
        "unroutable": _unroutable() - before,
        "made": sorted(_names(names)),
        "left": sorted(one.name for one in Path(SCRATCH).iterdir()),
    }
    print(json.dumps(seen), file=sys.stderr)
    return done.returncode


def _refuses(place: str) -> bool:
    """Whether the kernel refuses a file there."""
    try:
        (Path(place) / ".responder-was-here").touch()
    except OSError as error:
        return error.errno == errno.EROFS
    return False


def _watch(stop: threading.Event, found: set[str]) -> None:
    """Every socket of this network that is not on loopback, until told to stop."""
    while True:
        for table in _TABLES:
            found |= {f"{table} {one}" for one in _elsewhere(Path(f"/proc/net/{table}"))}
        for line in _rows(Path("/proc/net/packet")):
            found.add(f"packet {line}")
        for line in _rows(Path("/proc/net/unix")):
            if len(columns := line.split()) > 7:  # one with a name
                found.add(f"unix {columns[7]}")
        if stop.wait(0.02):
            return


def _elsewhere(table: Path) -> set[str]:
    ends = (end.rpartition(":")[0] for line in _rows(table) for end in line.split()[1:3])
    return {end for end in ends if end not in _LOOPBACK | _NOWHERE}


def _rows(table: Path) -> list[str]:
    return table.read_text().splitlines()[1:] if table.exists() else []


def _unroutable() -> int:
    """How often something was sent, or a connection tried, to where this network has no way."""
    counts = 0
    heads, values = [
        line.split()
        for line in Path("/proc/net/snmp").read_text().splitlines()
        if line[:3] == "Ip:"
    ]
    counts += int(values[heads.index("OutNoRoutes")])
    for line in Path("/proc/net/snmp6").read_text().splitlines():
        if line.startswith("Ip6OutNoRoutes"):
            counts += int(line.split()[1])
    return counts


def _names(descriptor: int) -> set[str]:
    """What was ever made in the scratch folder itself."""
    found = set[str]()
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except BlockingIOError:
            return found
        while data:
            *_, length = _EVENT.unpack_from(data)
            found.add(data[_EVENT.size : _EVENT.size + length].rstrip(b"\0").decode())
            data = data[_EVENT.size + length :]


if __name__ == "__main__":
    sys.exit(main())
