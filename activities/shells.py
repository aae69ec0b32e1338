"""Kept shells: one for each way of reaching a machine."""

from activities.local import LocalShell
from activities.shell import Shell
from activities.ssh import SSHShell
from responder.access import Access, Local, OverSSH


def open_shell(access: Access) -> Shell:
    """The shell for this way of reaching a host."""
    match access:
        case OverSSH():
            return SSHShell(access)
        case Local():
            return LocalShell(access)


class Shells:
    """Kept shells: one for each way of reaching a host, opened when first needed."""

    def __init__(self) -> None:
        self._kept: dict[str, Shell] = {}

    def open(self, access: Access) -> Shell:
        """The kept shell for this way of reaching a host."""
        key = access.model_dump_json()
        if key not in self._kept:
            self._kept[key] = open_shell(access)
        return self._kept[key]

    async def close(self) -> None:
        """Let go of every connection."""
        for shell in self._kept.values():
            await shell.close()
