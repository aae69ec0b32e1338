"""Isolation under the contract, at the host itself and at its switch; what packets show is shown beside it."""

from contextlib import ExitStack
from ipaddress import ip_address
from typing import ClassVar

import pytest

from activities.isolate import Filter, Isolate
from activities.providers.bridge_isolation import BridgeIsolation, _table_of
from activities.providers.nft_isolation import NftIsolation
from activities.ssh import SSHShell
from responder.contract import Resource
from responder.switches import SwitchPort
from tests.lab.network import address
from tests.lab.switch import managed
from tests.providers.contract.ground import Row
from tests.providers.contract.hosts import MOVING, KernelGround
from tests.providers.test_nft_isolation import allowing

NO_GUARD = {Row.GUARD: "a packet filter does not know which host must stay: policy does"}


class IsolatedHost(KernelGround):
    """A host that anybody reaches."""

    provider = "nft_isolation"
    kind = Isolate
    action = Isolate(host="web")
    omits: ClassVar = NO_GUARD
    namespace = "web"
    table = "inet responder_isolation"

    def resource(self) -> Resource[Filter]:
        return NftIsolation(self.shell, "web", allowing("bastion"))

    async def place(self) -> None:
        await self.resource().write(
            Filter.ISOLATED, key="theirs", until=None, tag="CHG-7", record=None
        )

    async def take_away(self) -> None:
        self.lab.nft(self.namespace, f"delete table {self.table}\n")


class IsolatedPort(IsolatedHost):
    """A port of a switch that can be signed in to."""

    provider = "bridge_isolation"
    namespace = "switch"
    table = f"bridge {_table_of('web')}"

    async def open(self, request: pytest.FixtureRequest) -> None:
        await super().open(request)
        self._stack = ExitStack()
        folder = request.getfixturevalue("tmp_path")
        switch = self._stack.enter_context(managed(self.lab, folder))
        await self.shell.close()
        self._access = switch.access
        self.shell = SSHShell(self._access, connect_seconds=1, command_seconds=2)

    async def close(self) -> None:
        self._stack.close()
        await super().close()

    def resource(self) -> Resource[Filter]:
        addresses = [ip_address(address("web", v6=v6)) for v6 in (False, True)]
        port = SwitchPort(host="web", interface="web")
        return BridgeIsolation(self.shell, "switch", port, addresses, allowing("bastion"))

    async def dump(self) -> object:
        return MOVING.sub("", self.lab.run(self.namespace, "nft", "list", "ruleset"))

    async def silence(self) -> None:
        await self.shell.close()
        elsewhere = self._access.model_copy(update={"port": 9})
        self.shell = SSHShell(elsewhere, connect_seconds=1, command_seconds=2)

    async def mend(self) -> None:
        await self.shell.close()
        self.shell = SSHShell(self._access, connect_seconds=1, command_seconds=2)
