"""Where a network is slowed down: at every firewall that can do that, each alone."""

from collections.abc import Mapping

from activities.providers.nft_restriction import NftRestriction
from activities.restrict import Limits
from activities.shells import Shells
from responder.contract import Resource
from responder.incident import Network
from responder.inventory import Inventory
from responder.points import NftablesPoint


class Restricting:
    """The resources of `Restrict`; a list that firewalls poll knows no rates, so it is none of them."""

    def __init__(self, inventory: Inventory, shells: Shells) -> None:
        self._points = inventory.points
        self._shells = shells

    def restrict(self, network: Network) -> Mapping[str, Resource[Limits]]:
        """Every firewall at which *network* must be slowed down, by the point's name."""
        return {
            point.name: NftRestriction(
                self._shells.open(point.access),
                network,
                point=point.name,
                table=f"{point.table}_restriction",
                nft=point.nft,
            )
            for point in self._points
            if isinstance(point, NftablesPoint)
        }
