"""What the demo writes into its folder: the settings, a playbook, the way to its firewall."""

import getpass
import os
import shlex
import shutil
import socket
import sys
from pathlib import Path
from typing import Any

import yaml

from responder.demo.cast import HOST, MANAGEMENT, SHOP
from responder.demo.world import NFT

LEASE_SECONDS = 6

_PLAYBOOK = '''\
"""The demo's own playbook: a block so short that one can watch it end."""

from datetime import timedelta

from temporalio import workflow

from activities.block import Block
from responder import Incident, Playbook


@workflow.defn
class ShortBlock(Playbook, answers="demo_sweep"):
    """Shut out where a sweep comes from, for some seconds."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        lasts = timedelta(seconds={seconds})
        await self.do(*(Block(network=n, lasts=lasts) for n in incident.networks))
        await self.contained()


PLAYBOOKS = (ShortBlock,)
'''

_ENTER = """\
#!/bin/sh
# The way to the demo's firewall. While the file beside it is there, the firewall answers late.
if [ -e {slow} ]; then sleep {seconds}; fi
exec {words} "$@"
"""
_LATE_SECONDS = 0.7

_NO_WAY_IN = f"""\
#!/bin/sh
echo "{HOST} has no network of its own here, and this machine's is never touched" >&2
exit 255
"""


class Files:
    """The files of one demo."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.settings = folder / "responder.yaml"
        self.store = folder / "responder.sqlite"
        self.logs = folder / "logs"
        self.slow = folder / "firewall.slow"
        self._firewall = folder / "firewall.sh"
        self._no_way_in = folder / "no-way-in.sh"
        self._python = folder / "python"

    def environment(self) -> dict[str, str]:
        """What the runner's processes are given: no RESPONDER_ settings of this shell's own."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RESPONDER_")}
        path = [str(self._python), *filter(None, [kept.get("PYTHONPATH")])]
        try:
            kept["LOGNAME"] = getpass.getuser()
        except (KeyError, OSError):  # a user id that no list names, as in some containers
            kept["LOGNAME"] = f"uid-{os.getuid()}"
        return kept | {
            "RESPONDER_CONFIG": str(self.settings),
            "PYTHONPATH": os.pathsep.join(path),
            # ss and conntrack are there on Debian, where a user's PATH does not look.
            "PATH": f"{kept.get('PATH', os.defpath)}:/usr/sbin:/sbin",
        }

    def write(self, settings: dict[str, Any], inside: tuple[str, ...]) -> None:
        """Write everything; *inside* is the way onto the shop's host, empty if there is none."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._python.mkdir()
        (self._python / "demo_playbook.py").write_text(_PLAYBOOK.format(seconds=LEASE_SECONDS))
        enter = _ENTER.format(
            slow=shlex.quote(str(self.slow)), seconds=_LATE_SECONDS, words=shlex.join(inside)
        )
        (self._firewall if inside else self._no_way_in).write_text(enter if inside else _NO_WAY_IN)
        # It holds the senders' secrets.
        with open(os.open(self.settings, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:  # noqa: PTH123 - with a mode
            yaml.safe_dump(settings, file, sort_keys=False)

    def firewall(self) -> dict[str, Any]:
        """The enforcement point `edge`: the firewall of the shop's host."""
        access = {"via": "local", "prefix": ["sh", str(self._firewall)]}
        return {"kind": "nftables", "name": "edge", "nft": NFT, "access": access}

    def host(self, inside: tuple[str, ...]) -> dict[str, Any]:
        """The shop's host in the inventory."""
        prefix = list(inside) or ["sh", str(self._no_way_in)]
        return {
            "name": HOST, "addresses": [SHOP], "owner": "shop team", "segment": "dmz",
            "access": {"via": "local", "prefix": prefix},
        }  # fmt: skip


def settings_of(
    state: Path, sources: dict[str, Any], host: dict[str, Any], point: dict[str, Any]
) -> dict[str, Any]:
    """The demo's responder.yaml: free ports, three senders, one host, one enforcement point."""
    api, temporal, ui = free_ports(3)
    return {
        "state": str(state),
        "api": {"port": api},
        "temporal": {"port": temporal, "ui_port": ui},
        "sources": sources,
        "triage": {"rules": [{"sources": ["sensor"], "category": "demo_sweep"}]},
        "playbooks": ["playbooks:PLAYBOOKS", "demo_playbook:PLAYBOOKS"],
        "inventory": {
            "hosts": [host],
            "points": [point],
            "isolation": {"management": [MANAGEMENT]},
        },
        "log": {"form": "json"},
    }


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nothing listens on."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def command(*words: str) -> str:
    """A command of ours as a person would type it here."""
    called = Path(sys.argv[0])
    start = ["python", "-m", "responder"]
    if called.name == "responder":
        start = ["responder" if shutil.which("responder") else os.path.relpath(called)]
    return shlex.join([*start, *words])
