"""
The lab: an attacker, firewalls, a database and an evidence collector on one switch.

    attacker .66    web .10    edge2 .11    db .20    evidence .6    bastion .5 (this process)

All in 198.51.100.0/24 and 2001:db8:100::/64. `web`, `edge2` and `db` are reached over SSH and
filter statefully, as real servers do: without `established accept` in place first, a containment
that forgets open flows would pass its test.
"""

import json
import os
import shutil
import socket
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

from responder.access import OverSSH
from tests.lab import sandbox
from tests.lab.hosts import Host, new_key
from tests.lab.namespaces import command, inside, ip
from tests.lab.traffic import Echo, Held, answers

RUNNER = "bastion"
NUMBERS = {"attacker": 66, "web": 10, "edge2": 11, "db": 20, "evidence": 6, RUNNER: 5}
SERVERS = ("web", "edge2", "db")
ECHO = 8080
SSH = 22

_SWITCH = "switch"
_BOOT_SECONDS = 30.0  # a busy machine boots three at once
_BASE = """
table inet base {
  chain input {
    type filter hook input priority filter; policy drop;
    iif lo accept
    ct state established,related accept
    tcp dport { 22, 80, 8080 } accept
    meta l4proto { icmp, ipv6-icmp } accept
  }
  chain output {
    type filter hook output priority filter; policy accept;
    ct state invalid drop
  }
}
"""


def why_not() -> str:
    """Why there can be no lab here; empty if there can."""
    if sandbox.MARK not in os.environ:
        return "the lab is built in the sandbox only: python -m tests.lab.sandbox -- pytest"
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    missing = [tool for tool in ("ip", "nft", "sshd", "ss") if not shutil.which(tool, path=path)]
    return f"the lab needs {', '.join(missing)}" if missing else ""


def address(host: str, *, v6: bool = False) -> str:
    """The address of a host."""
    return f"2001:db8:100::{NUMBERS[host]}" if v6 else f"198.51.100.{NUMBERS[host]}"


class Lab:
    """The network, while it stands."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._hosts: dict[str, Host] = {}
        self._held: list[Held] = []
        self._cut: set[str] = set()
        self._echo = Echo()
        try:
            self._lay_cables()
            self.key_file = folder / "runner_key"
            self._authorized = new_key(self.key_file)
            for name in SERVERS:
                self.nft(name, _BASE)
                self._hosts[name] = Host(name, folder / name, self._authorized)
            others = [name for name in NUMBERS if name != RUNNER]
            services = [*((name, ECHO) for name in others), ("evidence", SSH)]
            self._echo.start(*(inside(n, partial(_listening, port)) for n, port in services))
            for host in self._hosts.values():
                self._wait_for(host)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take it all down again."""
        for held in self._held:
            held.close()
        for host in self._hosts.values():
            host.close()
        self._echo.close()
        present = subprocess.run(
            ("ip", "netns", "list"), capture_output=True, text=True, check=True
        )
        ip(*(f"netns delete {line.split()[0]}" for line in present.stdout.splitlines()))
        # Its other end is gone with the switch, but only some time later.
        subprocess.run(("ip", "link", "delete", "eth0"), capture_output=True, check=False)

    def access(self, host: str) -> OverSSH:
        """How the runner reaches a server."""
        return OverSSH(
            address=address(host), key_file=self.key_file, host_key=self._hosts[host].host_key
        )

    def run(self, host: str, *words: str, stdin: str = "") -> str:
        """What a command prints on the network of *host*, with this machine's files."""
        done = subprocess.run(
            command(_namespace(host), *words),
            input=stdin,
            text=True,
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{host}: {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def nft(self, host: str, script: str) -> None:
        """Load rules on a host, behind everybody's back."""
        self.run(host, "nft", "-f", "-", stdin=script)

    def ruleset(self, host: str) -> str:
        """A host's whole ruleset, as text."""
        return self.run(host, "nft", "list", "ruleset")

    def rules(self, host: str) -> list[dict[str, Any]]:
        """A host's whole ruleset, as nft writes it in JSON."""
        listed: list[dict[str, Any]] = json.loads(self.run(host, "nft", "-j", "list", "ruleset"))[
            "nftables"
        ]
        return listed

    def flush(self, host: str) -> None:
        """Leave a host its own base filter and nothing else."""
        self.nft(host, f"flush ruleset\n{_BASE}")

    def reset(self) -> None:
        """Leave every host as it was booted; one whose sshd has died is booted anew."""
        for held in self._held:
            held.close()
        self._held.clear()
        dead = [name for name, host in self._hosts.items() if not host.runs]
        for name in dead:
            self._hosts[name].close()
            folder = self._folder / f"{name}-{time.time_ns()}"
            self._hosts[name] = Host(name, folder, self._authorized)
        for host in SERVERS:
            self.mend(host)
            self.flush(host)
        for name in dead:
            self._wait_for(self._hosts[name])

    def reboot(self) -> None:
        """
        Boot every server anew: no process, file or mount of before is left on any of them.

        A host is what it was booted as, and whoever runs next cannot tell who ran before.
        """
        for host in self._hosts.values():
            host.close()
        self.reset()
        for name in NUMBERS:
            ip("neigh flush all", within=_namespace(name))

    def probe(
        self, source: str, target: str, port: int = ECHO, *, timeout: float = 0.5, v6: bool = False
    ) -> bool:
        """Whether *source* gets a word out of *target*."""
        connection = inside(_namespace(source), partial(_stream, v6=v6))
        return answers(connection, address(target, v6=v6), port, timeout)

    def hold(self, source: str, target: str, port: int = ECHO, *, v6: bool = False) -> Held:
        """A connection that keeps talking, so that one can see it die."""
        connection = inside(_namespace(source), partial(_stream, v6=v6))
        connection.settimeout(1)
        try:
            connection.connect((address(target, v6=v6), port))
        except OSError:
            connection.close()
            raise
        held = Held(connection)
        self._held.append(held)
        return held

    def cut(self, host: str) -> None:
        """Lose every frame from and to a host, silently: a dead firewall."""
        self._switch_port(host, "disabled")
        self._cut.add(host)

    def mend(self, host: str) -> None:
        """Undo `cut`."""
        if host in self._cut:
            self._switch_port(host, "forwarding")
            self._cut.remove(host)

    def _switch_port(self, host: str, state: str) -> None:
        self.run(_SWITCH, "bridge", "link", "set", "dev", host, "state", state)

    def _lay_cables(self) -> None:
        others = [name for name in NUMBERS if name != RUNNER]
        ip(*(f"netns add {name}" for name in (_SWITCH, *others)))
        ip(
            "link add br0 type bridge",
            "link set br0 up",
            *(f"link add {n} type veth peer name eth0 netns {n}" for n in others),
            within=_SWITCH,
        )
        ip(f"link add eth0 type veth peer name {RUNNER} netns {_SWITCH}")
        ip(*(f"link set {name} master br0 up" for name in NUMBERS), within=_SWITCH)
        for name in NUMBERS:
            ip(
                "link set lo up",
                f"addr add {address(name)}/24 dev eth0",
                f"addr add {address(name, v6=True)}/64 dev eth0 nodad",
                "link set eth0 up",
                within=_namespace(name),
            )

    def _wait_for(self, host: Host) -> None:
        give_up = time.monotonic() + _BOOT_SECONDS
        while not self.probe(RUNNER, host.name, SSH):
            if not host.runs or time.monotonic() > give_up:
                raise RuntimeError(f"{host.name} did not boot: {host.log.strip()}")
            time.sleep(0.01)


def _namespace(host: str) -> str | None:
    return None if host == RUNNER else host


def _stream(*, v6: bool) -> socket.socket:
    return socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)


def _listening(port: int) -> socket.socket:
    return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=64)
