"""Versions of a key under the contract, in sealed files: a file that cannot be read is unknown."""

from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from activities.keys import (
    AddKeyVersion,
    DestroyKeyVersion,
    PromoteKeyVersion,
    RevokeKeyVersion,
)
from activities.providers.key_versions import VersionOfKey
from responder.contract import Action
from responder.crypto.keyring import KeyRing
from responder.rotation import ManagedKey
from responder.secrets.contract import Stage, version_for
from responder.secrets.sealed import SealedSecrets
from tests.providers.contract.ground import Ground, Row, not_held

KEY = ManagedKey(name="seal", type="aes", size=256, retention_period=timedelta(days=30))
FIRST, SECOND = (version_for(f"IR-{number}", KEY.name) for number in (1, 2))
NOT_HELD = not_held("a key that was taken back may have been in use since: nothing holds it")
NO_GUARD = {Row.GUARD: "a store does not know who uses a key: people approve what is done to it"}


class AddedVersion(Ground):
    """A key with a version in use."""

    provider = "key_versions"
    kind: ClassVar[type[Action[Any]]] = AddKeyVersion
    omits: ClassVar = NOT_HELD | NO_GUARD
    stages: ClassVar[tuple[Stage, ...]] = ()
    """What the second version went through before."""

    async def open(self, request: pytest.FixtureRequest) -> None:
        ring, folder = KeyRing.fresh(), Path(request.getfixturevalue("tmp_path")) / "keys"
        folder.mkdir()
        self.store = SealedSecrets(folder, lambda: ring)
        for stage in (Stage.PENDING, Stage.CURRENT):
            await self._bring(self._version(FIRST), stage)
        for stage in self.stages:
            await self._bring(self.resource(), stage)
        (self._file,) = folder.rglob("*.sealed")
        self._content = b""
        self.action = self.kind.model_validate({"key": KEY.name, "version": SECOND})

    def _version(self, version: str) -> VersionOfKey:
        return VersionOfKey(self.store, KEY, version)

    async def _bring(self, version: VersionOfKey, stage: Stage) -> None:
        await version.write(stage, key="theirs", until=None, tag="")

    def resource(self) -> VersionOfKey:
        return self._version(SECOND)

    async def dump(self) -> object:
        return await self.store.versions(KEY.name)

    async def place(self) -> None:
        state: Any = (await self.resource().read()).state
        await self._bring(self.resource(), self.action.desired(state))

    async def silence(self) -> None:
        self._content = self._file.read_bytes()
        self._file.write_bytes(b"scratched")

    async def mend(self) -> None:
        if self._content:
            self._file.write_bytes(self._content)
            self._content = b""


class PromotedVersion(AddedVersion):
    """And one that is published."""

    kind: ClassVar[type[Action[Any]]] = PromoteKeyVersion
    stages = (Stage.PENDING,)


class RevokedVersion(PromotedVersion):
    """The same."""

    kind: ClassVar[type[Action[Any]]] = RevokeKeyVersion


class DestroyedVersion(AddedVersion):
    """And one that nobody accepts."""

    kind: ClassVar[type[Action[Any]]] = DestroyKeyVersion
    stages = (Stage.PENDING, Stage.REVOKED)
    omits: ClassVar = NOT_HELD

    async def forbidden(self) -> VersionOfKey:
        return self._version(FIRST)  # the one in use
