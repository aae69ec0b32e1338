"""Accounts of a directory under the contract, at a double of SCIM that checks requests."""

from contextlib import ExitStack
from typing import ClassVar

import pytest

from activities.accounts import DisableAccount
from activities.providers.scim import Scim, ScimAccount
from responder.identities import ScimIdentities
from tests.providers.contract.ground import Ground, Row
from tests.providers.scim_service import TOKEN, Fault, serving

ANA = "ana@example.com"


class ScimGround(Ground):
    """A directory with an account that is in use, and another."""

    provider = "scim"
    kind = DisableAccount
    omits: ClassVar = {
        Row.GUARD: "a directory does not say whose account is whose: policy's protected accounts do"
    }
    action = DisableAccount(account=ANA)

    async def open(self, request: pytest.FixtureRequest) -> None:
        self._stack = ExitStack()
        self.service = self._stack.enter_context(serving())
        self.service.add("ben@example.com")
        self.ana = self.service.add(ANA)
        token = request.getfixturevalue("tmp_path") / "token"
        token.write_text(TOKEN)
        settings = ScimIdentities(name="idp", base_url=self.service.url, token_file=token)
        self.scim = Scim(settings)

    async def close(self) -> None:
        await self.scim.close()
        self._stack.close()

    def resource(self) -> ScimAccount:
        return self.scim.account(ANA)

    async def dump(self) -> object:
        return [(one.id, one.name, one.active) for one in self.service.users.values()]

    def _somebody_sets(self, *, active: bool) -> None:
        self.ana.active, self.ana.version = active, self.ana.version + 1

    async def place(self) -> None:
        self._somebody_sets(active=False)

    async def take_away(self) -> None:
        self._somebody_sets(active=True)

    async def silence(self) -> None:
        self.service.refusals = [Fault(401, "the token has expired") for _ in range(99)]

    async def mend(self) -> None:
        self.service.refusals = []
