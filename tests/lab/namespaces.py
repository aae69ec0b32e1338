"""Network namespaces: made, entered for one socket, and used to run commands in."""

import ctypes
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

Made = TypeVar("Made")

_PLACE = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


def ip(*lines: str, within: str | None = None) -> None:
    """Give *lines* to `ip` in one go, in this namespace or *within* another."""
    words = ["ip", *(("-n", within) if within else ()), "-batch", "-"]
    done = subprocess.run(
        words, input="\n".join(lines) + "\n", text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"ip: {done.stderr.strip()}")


def command(namespace: str | None, *words: str) -> tuple[str, ...]:
    """*words* as they are run in *namespace*; None is this one."""
    return ("ip", "netns", "exec", namespace, *words) if namespace else words


def inside(namespace: str | None, make: Callable[[], Made]) -> Made:
    """
    What *make* returns when called in *namespace*; a socket made there stays there.

    A thread of its own enters, because a namespace belongs to a thread and is not left again.
    """
    if namespace is None:
        return make()
    made: list[Made] = []
    raised: list[BaseException] = []

    def enter() -> None:
        try:
            with (_PLACE / namespace).open() as handle:
                if _libc.setns(handle.fileno(), _CLONE_NEWNET):
                    number = ctypes.get_errno()
                    raise OSError(number, os.strerror(number))  # noqa: TRY301
            made.append(make())
        except BaseException as error:  # noqa: BLE001 - raised again by the caller
            raised.append(error)

    thread = threading.Thread(target=enter, name=f"inside-{namespace}")
    thread.start()
    thread.join()
    if raised:
        raise raised[0]
    return made[0]
