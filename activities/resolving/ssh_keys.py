"""Which accounts and lists hold an SSH key: the host's own, by the inventory; never the runner's key."""

from collections.abc import Mapping
from pathlib import Path

from activities.providers.authorized_keys import AuthorizedKey
from activities.providers.krl import RevokedKey
from activities.public_keys import parse_line
from activities.shell import Shell
from activities.shells import Shells
from activities.ssh_keys import AddSshKey, RemoveSshKey, RevokeSshKey, Trust
from responder.access import OverSSH
from responder.contract import Resource
from responder.errors import Refused
from responder.inventory import Inventory

SshKeyChange = RemoveSshKey | AddSshKey | RevokeSshKey


class SshKeys:
    """The resources of `RemoveSshKey`, `AddSshKey` and `RevokeSshKey`."""

    def __init__(self, inventory: Inventory, shells: Shells) -> None:
        self._inventory = inventory
        self._shells = shells
        self._own: dict[Path, str] = {}

    def resolve(self, action: SshKeyChange) -> Mapping[str, Resource[Trust]]:
        """Where *action* is carried out. Raises `Refused` for the runner's own key."""
        host = self._inventory.host(action.host)
        if host is None or host.access is None:
            return {}
        if isinstance(host.access, OverSSH):
            if action.fingerprint == self._fingerprint(host.access.key_file):
                raise Refused(
                    f"{action}: this is the key by which the runner reaches {host.name}; expected another "
                    "one; nothing was changed"
                )
            if host.access.user != "root" and not host.access.sudo:
                raise Refused(
                    f"{action}: expected root or sudo on {host.name}, found {host.access.user} without "
                    "sudo; nothing was changed"
                )
        return {host.name: self._at(action, host.name, self._shells.open(host.access))}

    @staticmethod
    def _at(action: SshKeyChange, host: str, shell: Shell) -> Resource[Trust]:
        match action:
            case RevokeSshKey():
                return RevokedKey(shell, host, action.key)
            case AddSshKey():
                return AuthorizedKey(shell, host, action.user, action.fingerprint, line=action.key)
            case RemoveSshKey():
                return AuthorizedKey(shell, host, action.user, action.fingerprint)

    def _fingerprint(self, path: Path) -> str:
        if path not in self._own:
            self._own[path] = _public(path)
        return self._own[path]


def _public(path: Path) -> str:
    """The fingerprint of the private key at *path*; empty if there is none that we can read."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415 - only with SSH
        Encoding,
        PublicFormat,
        load_ssh_private_key,
    )

    try:
        key = load_ssh_private_key(path.read_bytes(), None).public_key()
    except (OSError, ValueError, TypeError):
        return ""
    line = parse_line(key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode())
    return "" if line is None else line.fingerprint
