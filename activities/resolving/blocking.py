"""Where a network is blocked: at every point of the inventory, each alone."""

from collections.abc import Mapping

from activities.aws import Clouds
from activities.providers.feed import FeedBlock
from activities.providers.ipset import IpsetBlock, Programs
from activities.providers.nacl import NaclBlock
from activities.providers.nftables import NftablesBlock
from activities.providers.pf import PfBlock
from activities.providers.security_groups import SecurityGroupBlock
from activities.providers.waf import WafBlock
from activities.shells import Shells
from responder.cloud_points import NetworkAclPoint, SecurityGroupPoint, WafPoint
from responder.contract import Resource
from responder.incident import Network
from responder.inventory import Inventory
from responder.points import FeedPoint, IptablesPoint, NftablesPoint, PfPoint, Point
from responder.store import Store


class Blocking:
    """The resources of `Block`."""

    def __init__(self, inventory: Inventory, store: Store, shells: Shells, clouds: Clouds) -> None:
        self._points = inventory.points
        self._store = store
        self._shells = shells
        self._clouds = clouds

    def block(self, network: Network) -> Mapping[str, Resource[bool]]:
        """Every point at which *network* must be blocked, by the point's name."""
        return {point.name: self._at(point, network) for point in self._points}

    def _at(self, point: Point, network: Network) -> Resource[bool]:
        match point:
            case NftablesPoint():
                shell = self._shells.open(point.access)
                return NftablesBlock(
                    shell, network, point=point.name, table=point.table, nft=point.nft
                )
            case IptablesPoint():
                shell = self._shells.open(point.access)
                programs = Programs(point.ipset, point.iptables, point.ip6tables)
                return IpsetBlock(
                    shell, network, point=point.name, prefix=point.prefix, programs=programs
                )
            case PfPoint():
                shell = self._shells.open(point.access)
                return PfBlock(
                    shell,
                    network,
                    point=point.name,
                    anchor=point.anchor,
                    table=point.table,
                    pfctl=point.pfctl,
                )
            case FeedPoint():
                return FeedBlock(self._store, network, point)
            case WafPoint():
                return WafBlock(self._clouds.open(point.cloud), network, point)
            case NetworkAclPoint():
                return NaclBlock(self._clouds.open(point.cloud), network, point)
            case SecurityGroupPoint():
                return SecurityGroupBlock(self._clouds.open(point.cloud), network, point)
