"""
A process that has imported everything and forks `serve` and `worker` when told to.

Importing takes seconds, forking milliseconds: a worker that died is back before its work times
out, and what the processes share is in memory once. Nothing here starts a thread before a fork.
"""

import gc
import json
import os
import select
import signal
import sys
from contextlib import suppress
from typing import NoReturn

LIVING: set[int] = set()


def main() -> None:
    """Read orders from standard input, one JSON a line; write what happened to standard output."""
    import_everything()
    gc.collect()
    gc.freeze()  # collections after a fork would copy the shared pages
    wake, woken = os.pipe()
    os.set_blocking(woken, False)
    signal.set_wakeup_fd(woken)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the supervisor decides when
    say({"ready": os.getpid()})
    waiting = b""
    while True:
        readable, _, _ = select.select([sys.stdin.fileno(), wake], [], [])
        if wake in readable:
            os.read(wake, 4096)
            report_ended()
        if sys.stdin.fileno() in readable:
            chunk = os.read(sys.stdin.fileno(), 65536)
            if not chunk:
                break  # the supervisor is gone, perhaps killed: nobody watches the children now
            *orders, waiting = (waiting + chunk).split(b"\n")
            for order in orders:
                start(json.loads(order), (wake, woken))
    for pid in LIVING:
        os.kill(pid, signal.SIGTERM)


def import_everything() -> None:
    """All that `serve` and `worker` will need."""
    import temporalio.worker  # noqa: F401, PLC0415
    import uvicorn  # noqa: PLC0415
    import uvicorn.lifespan.on  # noqa: PLC0415
    import uvicorn.loops.auto  # noqa: PLC0415
    import uvicorn.protocols.http.auto  # noqa: F401, PLC0415

    import responder.api.app  # noqa: PLC0415
    import responder.api.listening  # noqa: PLC0415
    import responder.worker  # noqa: F401, PLC0415
    from responder.catalogue import load_kinds  # noqa: PLC0415
    from responder.settings import read_settings  # noqa: PLC0415

    load_kinds(read_settings())


def start(order: dict[str, str], pipe: tuple[int, int]) -> None:
    """Fork one process."""
    pid = os.fork()
    if pid:
        LIVING.add(pid)
        say({"started": order["name"], "pid": pid})
        return
    for descriptor in pipe:
        os.close(descriptor)
    become(order)


def become(order: dict[str, str]) -> NoReturn:
    """In the child: a session and a log of its own, then the command."""
    os.setsid()
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    log = (
        os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600) if order["log"] else 2
    )
    os.dup2(log, 1)
    os.dup2(log, 2)
    gc.unfreeze()
    status = 1
    try:
        from responder.cli import app  # noqa: PLC0415 - the very command that a person would run
        from responder.cli.say import failed  # noqa: PLC0415

        sys.argv = ["responder", order["name"]]
        try:
            app([order["name"]], standalone_mode=False)
            status = 0
        except Exception as error:  # noqa: BLE001 - the process ends here, with a line
            status = failed(error)
        sys.stderr.flush()
    finally:
        os._exit(status)


def report_ended() -> None:
    """Say which children have ended, and how."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        LIVING.discard(pid)
        say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})


def say(event: dict[str, object]) -> None:
    """One line to the supervisor."""
    with suppress(BrokenPipeError):  # the supervisor may be gone
        os.write(1, json.dumps(event).encode() + b"\n")


def command() -> list[str]:
    """How to start one."""
    return [sys.executable, "-m", "responder.zygote"]


if __name__ == "__main__":
    main()
