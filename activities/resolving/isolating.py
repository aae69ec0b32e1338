"""How a host is isolated: by everything that can cut it off, each alone."""

from collections.abc import Mapping

from activities.isolate import Filter
from activities.providers.nft_isolation import NftIsolation
from activities.shells import Shells
from responder.contract import Resource
from responder.inventory import Inventory


class Isolating:
    """The resources of `Isolate`."""

    def __init__(self, inventory: Inventory, shells: Shells) -> None:
        self._inventory = inventory
        self._shells = shells

    def isolate(self, name: str) -> Mapping[str, Resource[Filter]]:
        """Everything that must cut the host *name* off, by the point's name."""
        host = self._inventory.host(name)
        if host is None or host.access is None or not self._inventory.isolation.management:
            return {}  # cut off for good is not contained: something must get back in
        shell = self._shells.open(host.access)
        return {host.name: NftIsolation(shell, host.name, self._inventory.isolation)}
