"""
Which open SSH sessions a key opened, and ending them.

sshd logs `Accepted publickey for … SHA256:…` under the process id of the session, and that line is
all that ties a session to a key. The journal's `_UID` and `_COMM` cannot be forged by users; lines
in a file can (logger -t 'sshd[4711]'). So a session is spared only if all that the log says of its
process names one other key; one that the log does not know is taken for one of the key's.
"""

import asyncio
import re
from collections.abc import Iterable

from activities.shell import Completed, Shell, first_line
from responder.errors import Unreachable
from responder.incident import Frozen

_LIST = 'echo "self $$"; ps -ww -eo pid=,ppid=,uid=,args='
_LOG = r"""
journalctl -q --no-pager _UID=0 _COMM=sshd + _UID=0 _COMM=sshd-session 2>/dev/null | grep -aE "$1" && exit 0
cat /var/log/auth.log.1 /var/log/auth.log /var/log/secure 2>/dev/null | grep -aE "$1"
exit 0
"""
_TITLE = re.compile(
    r"sshd(?:-session)?: (?P<user>\S+?)(?: \[(?P<part>priv|net)\]|@(?P<terminal>\S+))"
)
_ACCEPTED = re.compile(
    r"\bsshd(?:-session)?\[(?P<pid>\d+)\]: Accepted (?P<method>\S+) for (?P<user>\S+) from \S+ port \d+"
    r" ssh2(?:: (?:\S+ )*?(?P<print>SHA256:[A-Za-z0-9+/]{43})(?: .*)?)?$"
)
_TRIES = 15
_BETWEEN = 0.1  # seconds


class Process(Frozen):
    """A process as `ps` lists it."""

    pid: int
    parent: int
    uid: int
    title: str


class Sessions(Frozen):
    """Sessions that a key opened, by the process that serves each, and everything below it."""

    of_key: tuple[int, ...] = ()
    unknown: tuple[int, ...] = ()
    below: tuple[int, ...] = ()


async def sessions_of(shell: Shell, fingerprint: str, user: str | None) -> Sessions:
    """
    The sessions of *user* (None: of anybody) that *fingerprint* opened, or may have opened.

    The runner's own session is never among them. Raises `Unreachable` if processes cannot be listed.
    """
    said = await shell.run("sh", "-c", _LIST)
    if said.status:
        raise Unreachable(f"ps could not say which sessions are open: {first_line(said)}")
    own, processes = _listed(said)
    serving = [p for p in _serving(processes) if p.pid not in own]
    if user is not None:
        serving = [p for p in serving if _user(p) == user]
    if not serving:
        return Sessions()
    keys = await _logged(shell, [p.pid for p in serving])
    of_key = [p.pid for p in serving if fingerprint in keys.get(p.pid, ())]
    unknown = [p.pid for p in serving if p.pid not in of_key and len(keys.get(p.pid, ())) != 1]
    below = set(_below(processes, (*of_key, *unknown) if user is not None else of_key)) - own
    return Sessions(of_key=tuple(of_key), unknown=tuple(unknown), below=tuple(sorted(below)))


async def end(shell: Shell, sessions: Sessions, *, unknown: bool) -> None:
    """
    End them and what runs below them; with *unknown* also those whose key nobody logged.

    What has left its session (a daemon) lives on: that is for isolating the host to answer.
    """
    pids = [*sessions.of_key, *(sessions.unknown if unknown else ())]
    if not pids:
        return
    words = [str(pid) for pid in (*pids, *sessions.below)]
    await shell.run("kill", "-TERM", *words)
    for _ in range(_TRIES):
        if not await _alive(shell, words):
            return
        await asyncio.sleep(_BETWEEN)
    if left := await _alive(shell, words):  # an interactive shell ignores SIGTERM
        await shell.run("kill", "-KILL", *left)


async def _alive(shell: Shell, words: Iterable[str]) -> list[str]:
    said = await shell.run("ps", "-o", "pid=,stat=", "-p", ",".join(words))
    rows = [line.split() for line in said.out.splitlines()]
    return [row[0] for row in rows if len(row) > 1 and not row[1].startswith("Z")]


async def _logged(shell: Shell, pids: list[int]) -> dict[int, set[str]]:
    """What the log says of each process: the fingerprints it let in; another method counts as one."""
    wanted = rf"sshd(-session)?\[({'|'.join(map(str, pids))})\]: Accepted "
    said = await shell.run("sh", "-c", _LOG, "sh", wanted)
    found: dict[int, set[str]] = {}
    for line in said.out.splitlines():
        if match := _ACCEPTED.search(line.rstrip()):
            key = match["print"] or match["method"]
            found.setdefault(int(match["pid"]), set()).add(key)
    return found


def _listed(said: Completed) -> tuple[set[int], list[Process]]:
    """Our own line of processes up to init, and all processes."""
    first, *rest = said.out.splitlines() or [""]
    processes = []
    for line in rest:
        numbers, title = line.split(None, 3)[:3], "".join(line.split(None, 3)[3:])
        found = Process(
            pid=int(numbers[0]), parent=int(numbers[1]), uid=int(numbers[2]), title=title
        )
        processes.append(found)
    parents = {p.pid: p.parent for p in processes}
    own: set[int] = set()
    pid = int(first.removeprefix("self ") or 0)
    while pid and pid not in own:
        own.add(pid)
        pid = parents.get(pid, 0)
    return own, processes


def _serving(processes: list[Process]) -> list[Process]:
    """
    The root-owned process of each session that has signed in.

    `sshd: ana [priv]` serves ana; root has no such second process and is served by
    `sshd: root@pts/0`. While somebody still signs in there is a `[net]` below it.
    """
    signing_in = {
        p.parent for p in processes if (t := _TITLE.match(p.title)) and t["part"] == "net"
    }
    served = []
    for process in processes:
        title = _TITLE.match(process.title)
        if title is None or process.uid != 0 or process.pid in signing_in or title["part"] == "net":
            continue
        served.append(process)
    inner = {p.pid for p in served}
    return [p for p in served if p.parent not in inner]


def _user(process: Process) -> str:
    title = _TITLE.match(process.title)
    return title["user"] if title else ""


def _below(processes: list[Process], roots: Iterable[int]) -> list[int]:
    children: dict[int, list[int]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process.pid)
    found, left = [], list(roots)
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += below
    return found
