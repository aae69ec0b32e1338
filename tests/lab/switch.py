"""The lab's switch as a machine with a real sshd, reached through its own bridge."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paramiko

from responder.access import OverSSH
from tests.lab.hosts import Host
from tests.lab.network import RUNNER, SSH, Lab
from tests.lab.network import address as address_of

ADDRESS = "198.51.100.2"
_NAMESPACE = "switch"
_BASE = """
table bridge base {
  chain forward {
    type filter hook forward priority filter; policy accept;
    ether type vlan drop
  }
}
"""


class ManagedSwitch:
    """The switch while it can be signed in to."""

    def __init__(self, lab: Lab, host: Host) -> None:
        self._lab = lab
        self.access = OverSSH(address=ADDRESS, key_file=lab.key_file, host_key=host.host_key)

    def ruleset(self) -> str:
        """Its whole ruleset, as text."""
        return self._lab.run(_NAMESPACE, "nft", "list", "ruleset")

    def run(self, *words: str, stdin: str = "") -> str:
        """What a command prints there."""
        return self._lab.run(_NAMESPACE, *words, stdin=stdin)

    def flush(self) -> None:
        """Leave it its own base filter and nothing else."""
        self._lab.nft(_NAMESPACE, f"flush ruleset\n{_BASE}")


@contextmanager
def managed(lab: Lab, folder: Path) -> Iterator[ManagedSwitch]:
    """The lab's switch with an address on its bridge and an sshd behind it."""
    lab.run(_NAMESPACE, "ip", "addr", "replace", f"{ADDRESS}/24", "dev", "br0")
    key = paramiko.PKey.from_path(lab.key_file)
    host = Host(_NAMESPACE, folder / _NAMESPACE, f"{key.get_name()} {key.get_base64()}")
    switch = ManagedSwitch(lab, host)
    try:
        switch.flush()
        _wait_for(lab, host)
        yield switch
    finally:
        host.close()
        lab.nft(_NAMESPACE, "flush ruleset\n")
        lab.run(_NAMESPACE, "ip", "addr", "del", f"{ADDRESS}/24", "dev", "br0")


def _wait_for(lab: Lab, host: Host) -> None:
    import socket  # noqa: PLC0415
    import time  # noqa: PLC0415

    give_up = time.monotonic() + 5
    while time.monotonic() < give_up and host.runs:
        try:
            with socket.create_connection((ADDRESS, SSH), 0.5):
                return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError(f"the switch did not boot: {host.log.strip()} ({address_of(RUNNER)})")
