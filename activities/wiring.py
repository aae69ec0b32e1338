"""Which resource answers for which action: the only place where actions meet providers."""

from collections.abc import Mapping
from typing import Any

from activities.block import Block
from activities.connections import Connection, Connections
from activities.isolate import Isolate
from activities.providers.feed import FeedBlock
from activities.providers.nft_isolation import NftIsolation
from activities.providers.nftables import NftablesBlock
from activities.shells import Shell, open_shell
from responder.contract import Action, Lookup, Resource
from responder.errors import Unreachable
from responder.incident import Network
from responder.inventory import Access, FeedPoint, Inventory, NftablesPoint
from responder.store import Store


class Wiring:
    """The providers of one inventory, with their kept connections."""

    def __init__(self, inventory: Inventory, store: Store) -> None:
        self._inventory = inventory
        self._store = store
        self._shells: dict[str, Shell] = {}

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:
        """Every enforcement point that must carry *action*, by name."""
        match action:
            case Block(network=network):
                return {p.name: self._block(p, network) for p in self._inventory.points}
            case Isolate(host=name):
                host = self._inventory.host(name)
                if host is None or host.access is None or not self._inventory.isolation.management:
                    return {}  # cut off for good is not contained: something must get back in
                shell = self.shell(host.access)
                return {host.name: NftIsolation(shell, host.name, self._inventory.isolation)}
        return {}

    async def answer(self, lookup: Lookup[Any]) -> Any:  # noqa: ANN401 - typed by the lookup's bracket
        """The answer to *lookup*."""
        match lookup:
            case Connections(host=name):
                return await self._connections(name)
        raise Unreachable(f"{lookup}: nothing here can answer it")

    async def close(self) -> None:
        """Let go of kept connections."""
        for shell in self._shells.values():
            await shell.close()

    def _block(self, point: NftablesPoint | FeedPoint, network: Network) -> Resource[bool]:
        match point:
            case NftablesPoint():
                shell = self.shell(point.access)
                return NftablesBlock(
                    shell, network, point=point.name, table=point.table, nft=point.nft
                )
            case FeedPoint():
                return FeedBlock(self._store, network, point)

    def shell(self, access: Access) -> Shell:
        """The kept shell for this way of reaching a host."""
        key = access.model_dump_json()
        if key not in self._shells:
            self._shells[key] = open_shell(access)
        return self._shells[key]

    async def _connections(self, name: str) -> list[Connection]:
        host = self._inventory.host(name)
        if host is None or host.access is None:
            return []
        said = await self.shell(host.access).run("ss", "-Htan")
        rows = [line.split() for line in said.out.splitlines()]
        return [Connection(state=r[0], local=r[3], remote=r[4]) for r in rows if len(r) > 4]  # noqa: PLR2004 - ss's columns
