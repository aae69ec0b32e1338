"""
Running a command where it can harm nothing: `python -m tests.lab.sandbox -- pytest`.

As root on Linux the command gets mount, network and PID namespaces of its own, with loopback and
no route: no packet leaves the machine, and when it ends, even by SIGKILL, all it made is gone.
"""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from types import FrameType
from typing import NoReturn

MARK = "RESPONDER_SANDBOX"
"""The environment variable that tells the lab it may build here."""

_UNSHARE = (
    "unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
    "--propagation", "private",
)  # fmt: skip
_INSIDE = "--inside"
_NEWNS, _NEWNET = 0x00020000, 0x40000000  # linux/sched.h


def main(arguments: Sequence[str]) -> NoReturn:
    """Become the command in *arguments*, inside namespaces where that is possible."""
    inside, words = arguments[:1] == [_INSIDE], list(arguments)
    if "--" in words:
        words = words[words.index("--") + 1 :]
    if not words:
        sys.exit("usage: python -m tests.lab.sandbox -- COMMAND...")
    if inside:
        _set_up()
        sys.exit(_attend(words))
    if missing := why_not():
        print(f"sandbox: {missing}; tests that need the lab are skipped", file=sys.stderr)
        os.execvp(words[0], words)  # noqa: S606
    # Replaced, not spawned: killing this process is then killing the parent of the namespaces.
    again = (sys.executable, "-m", "tests.lab.sandbox", _INSIDE, "--", *words)
    os.execvp(_UNSHARE[0], (*_UNSHARE, *again))  # noqa: S606


def why_not() -> str:
    """Why no sandbox can be made here; empty if one can."""
    if sys.platform != "linux":
        return "this is not Linux"
    if os.geteuid() != 0:
        return "this is not root"
    if absent := [tool for tool in ("unshare", "mount", "ip") if shutil.which(tool) is None]:
        return f"{', '.join(absent)} not found"
    tried = subprocess.run((*_UNSHARE, "true"), capture_output=True, text=True, check=False)
    return f"unshare: {tried.stderr.strip()}" if tried.returncode else ""


def apart() -> None:
    """
    Give this process, one of several that run tests at once, mounts and a network of its own.

    Only inside a sandbox; elsewhere there is no lab to be kept apart. To be called by the thread
    that runs the tests, before it starts others: they inherit what it has.
    """
    if MARK not in os.environ:
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEWNS | _NEWNET):
        raise OSError(ctypes.get_errno(), "unshare")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)
    _set_up()


def _set_up() -> None:
    os.makedirs("/run/netns", exist_ok=True)  # noqa: PTH103
    for command in ("mount -t tmpfs tmpfs /run/netns", "ip link set lo up"):
        subprocess.run(command.split(), check=True)
    os.environ[MARK] = "1"


def _attend(words: Sequence[str]) -> int:
    """
    Run *words* as the first process of a PID namespace must: pass signals on, reap orphans.

    Returns the command's exit status as a shell would say it.
    """
    try:
        command = subprocess.Popen(words)
    except OSError as error:
        print(f"sandbox: {words[0]}: {error.strerror}", file=sys.stderr)
        return 127

    def pass_on(number: int, _: FrameType | None) -> None:
        os.kill(command.pid, number)

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, pass_on)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal sends it to the command as well
    while True:
        pid, status = os.wait()
        if pid == command.pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main(sys.argv[1:])
