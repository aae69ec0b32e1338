"""SSH keys of a host under the contract: a real sshd, its files and its revocation list."""

from typing import Any, ClassVar

import pytest

from activities.providers.authorized_keys import AuthorizedKey
from activities.providers.krl import RevokedKey
from activities.ssh_keys import AddSshKey, RemoveSshKey, RevokeSshKey
from responder.contract import Action, Resource
from tests.providers.contract.ground import Row, not_held
from tests.providers.contract.hosts import HostGround
from tests.providers.signing_in import FILE, HOME, PREPARE, Keys

NO_GUARD = {
    Row.GUARD: "the runner's own key is refused before there is a provider: SshKeys.resolve"
}
REVOKED = "/run/krl/revoked"


class RemovedKey(HostGround):
    """An account that two keys open."""

    provider = "authorized_keys"
    kind: ClassVar[type[Action[Any]]] = RemoveSshKey
    omits: ClassVar = NO_GUARD
    host = "db"

    async def open(self, request: pytest.FixtureRequest) -> None:
        await super().open(request)
        if (await self.shell.run("test", "-d", "/run/krl")).status:
            await self.said("sh", "-c", PREPARE)
        self.keys = Keys(request.getfixturevalue("tmp_path"))
        await self.said("ssh-keygen", "-q", "-k", "-f", REVOKED)
        await self.said("install", "-d", "-m", "700", "-o", "ana", "-g", "ana", f"{HOME}/.ssh")
        await self.trust("old", "new")
        self.action = self.asked()

    def asked(self) -> Action[Any]:
        """What is asked for."""
        return RemoveSshKey(host=self.host, user="ana", fingerprint=self.keys.fingerprint("old"))

    async def trust(self, *names: str) -> None:
        """Have ana's account be opened by these keys and no other."""
        content = "".join(f"{self.keys.public[name]}\n" for name in names)
        words = ("install", "-m", "600", "-o", "ana", "-g", "ana", "/dev/stdin", FILE)
        assert (await self.shell.run(*words, stdin=content)).status == 0

    def resource(self) -> Resource[Any]:
        return AuthorizedKey(self.shell, self.host, "ana", self.keys.fingerprint("old"), line=None)

    async def dump(self) -> object:
        words = "stat -c %A:%U:%G {0}/.ssh {1}; cat {1}; sha256sum {2}"
        return (await self.said("sh", "-c", words.format(HOME, FILE, REVOKED))).out

    async def place(self) -> None:
        await self.trust("new")

    async def take_away(self) -> None:
        await self.trust("old", "new")


class AddedKey(RemovedKey):
    """An account that one key opens, and is to be opened by another."""

    kind: ClassVar[type[Action[Any]]] = AddSshKey

    async def open(self, request: pytest.FixtureRequest) -> None:
        await super().open(request)
        await self.trust("new")

    def asked(self) -> Action[Any]:
        return AddSshKey(host=self.host, user="ana", key=self.keys.public["old"])

    def resource(self) -> Resource[Any]:
        line, print_ = self.keys.public["old"], self.keys.fingerprint("old")
        return AuthorizedKey(self.shell, self.host, "ana", print_, line=line)

    async def place(self) -> None:
        await self.trust("new", "old")

    async def take_away(self) -> None:
        await self.trust("new")


class ListedKey(RemovedKey):
    """A key that no list refuses."""

    provider = "krl"
    kind: ClassVar[type[Action[Any]]] = RevokeSshKey
    omits: ClassVar = NO_GUARD | not_held("a revoked key is never trusted again: a new one is made")

    def asked(self) -> Action[Any]:
        return RevokeSshKey(host=self.host, key=self.keys.public["old"])

    def resource(self) -> Resource[Any]:
        return RevokedKey(self.shell, self.host, self.keys.public["old"])

    async def place(self) -> None:
        key = f"{self.keys.public['old']}\n"
        words = ("ssh-keygen", "-q", "-k", "-u", "-f", REVOKED, "-")
        assert (await self.shell.run(*words, stdin=key)).status == 0
