"""A Nebula mesh over the lab's servers: `edge2` is its lighthouse, `web` and `db` are its nodes."""

import asyncio
import json
import socket
import subprocess
import time
from pathlib import Path

from activities.ssh import SSHShell
from tests.lab.namespaces import inside
from tests.lab.network import ECHO, SERVERS, Lab
from tests.lab.network import address as under
from tests.lab.traffic import Held, answers

LIGHTHOUSE = "edge2"
CONFIG = "/etc/nebula/config.yml"
LOG = "/var/log/nebula.log"
OVERLAY = {"web": "203.0.113.10", LIGHTHOUSE: "203.0.113.11", "db": "203.0.113.20"}


class Mesh:
    """The mesh, while its daemons run."""

    def __init__(self, lab: Lab, folder: Path, shells: dict[str, SSHShell]) -> None:
        self._lab = lab
        self._folder = folder
        self._shells = shells
        self._broken = ""
        self.cert("ca", "-name", "lab", "-duration", "24h")
        for name, address in OVERLAY.items():
            self._sign(name, name, address)

    async def set_up(self) -> None:
        """Give every server its keys and its certificate."""
        for name, shell in self._shells.items():
            await shell.run("mkdir", "-p", "/etc/nebula")
            for kind in ("ca.crt", f"{name}.crt", f"{name}.key"):
                target = "ca.crt" if kind == "ca.crt" else f"host{Path(kind).suffix}"
                await self.put(name, f"/etc/nebula/{target}", (self._folder / kind).read_text())

    async def up(self) -> None:
        """
        Fresh daemons everywhere, and a tunnel between the two nodes.

        A mesh that once did not come up is not waited for again: all of its tests fail at once.
        """
        assert not self._broken, f"it did not come up for an earlier test:\n{self._broken}"
        self.open_ports()
        await asyncio.gather(*(self.start(name) for name in SERVERS))
        if not self.talks("db", "web", within=40):
            self._broken = await self.said()
        assert not self._broken, f"it did not come up within 40 s:\n{self._broken}"

    async def start(self, name: str, config: str = "", *, disconnects: bool = True) -> None:
        """End the daemon of a server and start it again, with *config* if it is given."""
        await self.put(name, CONFIG, config or text_of(name, disconnects=disconnects))
        await self.stop(name)
        words = f"exec setsid -f nebula -config {CONFIG} >{LOG} 2>&1 </dev/null"
        await self._shells[name].run("sh", "-c", words)

    async def stop(self, name: str) -> None:
        """End the daemon of a server, if one runs."""
        ending = "pkill -x nebula; while pgrep -x nebula >/dev/null; do sleep 0.05; done; true"
        await self._shells[name].run("sh", "-c", ending)

    async def put(self, name: str, path: str, content: str) -> None:
        """Write a file on a server."""
        await self._shells[name].run("sh", "-c", 'cat > "$1"', "sh", path, stdin=content)

    async def get(self, name: str, path: str = CONFIG) -> str:
        """A file of a server."""
        return (await self._shells[name].run("cat", path)).out

    async def reload(self, name: str) -> None:
        """What an administrator does."""
        await self._shells[name].run("pkill", "-HUP", "-x", "nebula")

    def fingerprint(self, name: str) -> str:
        """A certificate's fingerprint."""
        said = self.cert("print", "-json", "-path", f"{self._folder / name}.crt")
        return str(json.loads(said)["fingerprint"])

    def open_ports(self) -> None:
        """Let the mesh's own packets through the base filters."""
        for name in SERVERS:
            self._lab.nft(name, "add rule inet base input udp dport 4242 accept\n")

    def talks(self, source: str, target: str, *, within: float = 0.0) -> bool:
        """Whether *source* gets a word out of *target* through the mesh, some time soon."""
        give_up = time.monotonic() + within
        while True:
            made = inside(source, socket.socket)
            if answers(made, OVERLAY[target], ECHO, 0.6):
                return True
            if time.monotonic() > give_up:
                return False

    async def said(self) -> str:
        """What every daemon said last, and how the servers see each other: for a test that fails."""
        look = f"tail -5 {LOG}; ip neigh; pgrep -x nebula || echo no daemon"
        words = [(name, await shell.run("sh", "-c", look)) for name, shell in self._shells.items()]
        ports = self._lab.run("switch", "bridge", "-d", "link")
        return "\n".join([*(f"== {name}\n{found.out}" for name, found in words), ports])

    def hold(self, source: str, target: str) -> Held:
        """A connection through the mesh that keeps talking."""
        made = inside(source, socket.socket)
        made.settimeout(2)
        made.connect((OVERLAY[target], ECHO))
        return Held(made)

    def _sign(self, file: str, name: str, address: str) -> None:
        out = self._folder / file
        self.cert(
            "sign", "-name", name, "-ip", f"{address}/24",
            "-out-crt", f"{out}.crt", "-out-key", f"{out}.key",
        )  # fmt: skip

    def cert(self, *words: str) -> str:
        """What nebula-cert prints, run in the folder of the authority."""
        done = subprocess.run(
            ("nebula-cert", *words), cwd=self._folder, capture_output=True, text=True, check=True
        )
        return done.stdout


def text_of(name: str, *, disconnects: bool = True, blocklist: str = "") -> str:
    """A server's configuration, with comments that must survive."""
    lighthouse = name == LIGHTHOUSE
    hosts = "[]" if lighthouse else f'["{OVERLAY[LIGHTHOUSE]}"]'
    return f"""# {name} of the lab
pki:
  # Who signs.
  ca: /etc/nebula/ca.crt
  cert: /etc/nebula/host.crt
  key: /etc/nebula/host.key  # never leaves
{"  disconnect_invalid: true" if disconnects else "  # disconnect_invalid: not said"}
{blocklist}
static_host_map:
  "{OVERLAY[LIGHTHOUSE]}": ["{under(LIGHTHOUSE)}:4242"]
lighthouse: {{am_lighthouse: {str(lighthouse).lower()}, interval: 2, hosts: {hosts}}}
listen: {{host: 0.0.0.0, port: 4242}}
punchy: {{punch: true}}
tun: {{dev: neb0, mtu: 1300}}
logging: {{level: info, format: text}}
timers: {{connection_alive_interval: 1, pending_deletion_interval: 2}}
firewall:
  outbound: [{{port: any, proto: any, host: any}}]
  inbound: [{{port: any, proto: any, host: any}}]
"""
