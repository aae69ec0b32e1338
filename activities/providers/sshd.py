"""What sshd on a host goes by: `sshd -T`, its extended test mode."""

import re
from collections.abc import Mapping, Sequence

from activities.shell import Shell, first_line
from responder.errors import Unreachable
from responder.incident import Frozen

_SHOW = 'PATH=$PATH:/usr/sbin:/sbin; exec sshd -T -C "$1"'


class Account(Frozen):
    """An account of a host."""

    name: str
    uid: int
    home: str


async def effective(shell: Shell, where: str, user: str = "root") -> Mapping[str, str]:
    """The settings that sshd applies to *user*, by keyword in lower case."""
    said = await shell.run("sh", "-c", _SHOW, "sh", f"user={user},host=localhost,addr=127.0.0.1")
    if said.status:
        raise Unreachable(f"{where}: sshd -T could not say what it accepts: {first_line(said)}")
    pairs = (line.split(" ", 1) for line in said.out.splitlines() if " " in line)
    return {key.lower(): value.strip() for key, value in pairs}


async def account(shell: Shell, where: str, user: str) -> Account | None:
    """The account named *user*, or None."""
    said = await shell.run("getent", "passwd", user)
    if said.status == 2:  # noqa: PLR2004 - getent(1): one or more keys could not be found
        return None
    fields = said.out.strip().split(":")
    if said.status or len(fields) != 7:  # noqa: PLR2004 - passwd(5)
        raise Unreachable(f"{where}: getent could not say who {user} is: {first_line(said)}")
    return Account(name=user, uid=int(fields[2]), home=fields[5])


def key_files(config: Mapping[str, str], of: Account) -> Sequence[str]:
    """The files of AuthorizedKeysFile for an account (sshd_config(5), TOKENS)."""
    tokens = {"%": "%", "h": of.home, "u": of.name, "U": str(of.uid)}
    found = []
    for word in config.get("authorizedkeysfile", "none").split():
        if word == "none":
            continue
        path = re.sub(r"%(.)", lambda m: tokens.get(m[1], m[0]), word)
        found.append(path if path.startswith("/") else f"{of.home.rstrip('/')}/{path}")
    return tuple(dict.fromkeys(found))
