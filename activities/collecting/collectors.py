"""
What live response takes from a host: one collector for each artefact, with its limits.

Nothing is installed, written or switched on there.
"""

from collections.abc import Sequence

from pydantic import Field

from activities.collecting.scripts import (
    BODY,
    DELETED,
    EACH,
    LOGS,
    MEMORY,
    PERSISTENCE,
    RECOVER,
    TAR,
)
from activities.collecting.steps import LEFT_OUT, Profile, StepName
from responder.evidence.settings import MIB, Scope
from responder.incident import Frozen


class Collector(Frozen):
    """One artefact: how it is made on the host."""

    name: str
    step: StepName
    script: str
    arguments: tuple[str, ...] = ()
    tools: tuple[str, ...] = Field(description="The programs it runs there.")
    most: int = 64 * MIB
    seconds: float = 300.0
    silent_seconds: float = 120.0

    @property
    def words(self) -> tuple[str, ...]:
        """The command as it is run on the host."""
        return ("sh", "-c", self.script, self.name, *self.arguments)


def collectors(profile: Profile, scope: Scope, *, since: int, until: int) -> tuple[Collector, ...]:
    """
    What is taken, in the order of its steps; *since* and *until* (seconds of UTC) bound the logs.

    What depends on what is found (executables that were deleted, their memory) is not in it.
    """
    made = [
        *_network(),
        *_processes(),
        *_files(scope, since=since, until=until),
    ]
    left = {waiver.step for waiver in LEFT_OUT[profile]}
    return tuple(one for one in made if one.step.value not in left)


def recover(pid: int, began: int, scope: Scope) -> Collector:
    """The executable of a process whose file was deleted, byte for byte."""
    return Collector(
        name=f"executables/deleted/{pid}-{began}", step=StepName.MEMORY, script=RECOVER,
        arguments=(str(pid), str(began)), tools=("sh", "tr", "sed", "cat"),
        most=scope.largest_artefact,
    )  # fmt: skip


def memory(pid: int, began: int, scope: Scope) -> Collector:
    """The readable memory of one process."""
    return Collector(
        name=f"memory/{pid}-{began}", step=StepName.MEMORY, script=MEMORY,
        arguments=(str(pid), str(began)), tools=("sh", "tr", "sed", "dd"), most=scope.largest_memory,
    )  # fmt: skip


def deleted() -> Collector:
    """Which processes run an executable that was deleted: pid, when it began, what it was called."""
    return Collector(
        name="executables/deleted.tsv", step=StepName.MEMORY, script=DELETED,
        tools=("sh", "readlink", "tr", "sed"), most=MIB,
    )  # fmt: skip


def _network() -> list[Collector]:
    def one(name: str, script: str, *tools: str) -> Collector:
        return Collector(
            name=f"network/{name}", step=StepName.NETWORK, script=script, tools=("sh", *tools)
        )

    tables = "tcp tcp6 udp udp6 raw raw6 unix packet arp route ipv6_route dev snmp"
    return [
        one("neighbours", "ip -s neigh", "ip"),
        one("routes", "ip route show table all; ip -6 route show table all; ip rule; ip -6 rule", "ip"),
        one("connections", "conntrack -L", "conntrack"),
        one("sockets", "ss -anpeoO", "ss"),
        # What the kernel itself says, beside the tools that may have been changed.
        one("kernel", f'cd /proc/net; for t in {tables}; do echo "== $t"; cat "$t"; done; exit 0', "cat"),
        one("addresses", "ip -d addr; ip -d -s link", "ip"),
        one("filter-nft", "nft list ruleset", "nft"),
        one("filter-iptables", "iptables-save; ip6tables-save", "iptables-save", "ip6tables-save"),
    ]  # fmt: skip


def _processes() -> list[Collector]:
    def one(name: str, script: str, *tools: str) -> Collector:
        return Collector(name=name, step=StepName.PROCESSES, script=script, tools=("sh", *tools))

    columns = "pid,ppid,pgid,sid,uid,gid,tty,lstart,etimes,stat,nlwp,rss,args"
    status = EACH + (
        'for l in exe cwd root; do printf "%s -> " "$l"; readlink "$p/$l" || echo; done; '
        'tr "\\0" " " < "$p/cmdline"; echo; cat "$p/stat" "$p/status" "$p/cgroup"; done 2>/dev/null; exit 0'
    )
    kernel = (
        "uname -a; for f in version cmdline uptime loadavg stat meminfo interrupts modules "
        'self/mountinfo; do echo "== $f"; cat "/proc/$f"; done; exit 0'
    )
    return [
        one("processes/table", f"ps -eww -o {columns}", "ps"),
        one("processes/status", status, "readlink", "tr", "cat"),
        one("processes/open-files", "ls -l /proc/[0-9]*/fd 2>/dev/null; exit 0", "ls"),
        one("processes/maps", EACH + 'cat "$p/maps"; done 2>/dev/null; exit 0', "cat"),
        one(
            "processes/environment",
            EACH + 'tr "\\0" "\\n" < "$p/environ"; done 2>/dev/null; exit 0',
            "tr",
        ),
        one("kernel/state", kernel, "uname", "cat"),
        one("kernel/messages", "dmesg", "dmesg"),
    ]


def _files(scope: Scope, *, since: int, until: int) -> list[Collector]:
    def one(
        name: str,
        step: StepName,
        script: str,
        tools: Sequence[str],
        *words: str,
        seconds: float = 900,
    ) -> Collector:
        return Collector(
            name=name, step=step, script=script, arguments=words, tools=("sh", *tools),
            most=scope.largest_artefact, seconds=seconds, silent_seconds=300,
        )  # fmt: skip

    hashes = (
        'for p in /proc/[0-9]*; do exe=$(readlink "$p/exe") || continue; sum=$(sha256sum < "$p/exe"); '
        'printf "%s\\t%s\\t%s\\n" "${p#/proc/}" "${sum%% *}" "$exe"; done 2>/dev/null; exit 0'
    )
    people = ("/etc/passwd", "/etc/group", "/etc/shadow", "/etc/gshadow", "/etc/login.defs")
    packages = (
        "if command -v dpkg >/dev/null; then dpkg -l; echo '== verify'; dpkg -V; "
        "elif command -v rpm >/dev/null; then rpm -qa; echo '== verify'; rpm -Va; "
        "else echo 'neither dpkg nor rpm is here' >&2; exit 127; fi; exit 0"
    )
    containers = (
        "found=; for t in docker podman crictl; do command -v $t >/dev/null || continue; found=1; "
        'echo "== $t"; $t ps -a --no-trunc; $t images --digests; done; '
        '[ -n "$found" ] || { echo "no container runtime is here" >&2; exit 127; }; exit 0'
    )
    body, tar = ("find", "stat", "sed"), ("tar",)
    step = StepName
    return [
        one("times/temporary.body", step.TEMPORARY_TIMES, BODY, body, *scope.temporary),
        one("files/temporary.tar", step.TEMPORARY_FILES, TAR, tar, *scope.temporary),
        one("times/disk.body", step.DISK_TIMES, BODY, body, *scope.roots, seconds=1500),
        one("executables/running.tsv", step.EXECUTABLES, hashes, ("readlink", "sha256sum")),
        one("accounts/files.tar", step.ACCOUNTS, TAR, tar, *people),
        one(
            "accounts/sessions", step.ACCOUNTS, "who -a; last -Faiwx; lastb -Faiwx; exit 0",
            ("who", "last", "lastb"),
        ),
        one("persistence/files.tar", step.PERSISTENCE, PERSISTENCE, tar),
        one("logs/files.tar", step.LOGS, LOGS, ("find", "tar"), str(since), *scope.logs),
        one(
            "logs/journal.export", step.LOGS,
            'journalctl --no-pager -o export --since "@$1" --until "@$2"', ("journalctl",),
            str(since), str(until),
        ),
        one("packages/verified", step.PACKAGES, packages, ("dpkg", "rpm"), seconds=1500),
        one("containers/list", step.CONTAINERS, containers, ("docker", "podman", "crictl")),
    ]  # fmt: skip
