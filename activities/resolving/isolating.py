"""How a host is isolated: by everything that can cut it off, each alone."""

from collections.abc import Mapping

from activities.aws import Clouds
from activities.isolate import Filter
from activities.providers.bridge_isolation import BridgeIsolation
from activities.providers.ec2_isolation import Ec2Isolation
from activities.providers.nebula import Certificate, NebulaBlock
from activities.providers.nft_flows import way_back
from activities.providers.nft_isolation import NftIsolation
from activities.shell import Shell
from activities.shells import Shells
from responder.contract import Resource
from responder.inventory import Host, Inventory


class Isolating:
    """The resources of `Isolate`."""

    def __init__(self, inventory: Inventory, shells: Shells, clouds: Clouds) -> None:
        self._inventory = inventory
        self._shells = shells
        self._clouds = clouds

    def isolate(self, name: str) -> Mapping[str, Resource[Filter]]:
        """Everything that must cut the host *name* off, by the point's name."""
        host = self._inventory.host(name)
        if host is None or not way_back(self._inventory.kept):
            return {}  # cut off for good is not contained: something must get back in
        return {**self._itself(host), **self._switches(host), **self._mesh(host), **self._ec2(host)}

    def _itself(self, host: Host) -> Mapping[str, Resource[Filter]]:
        if host.access is None:
            return {}
        shell = self._shells.open(host.access)
        return {host.name: NftIsolation(shell, host.name, self._inventory.kept)}

    def _switches(self, host: Host) -> Mapping[str, Resource[Filter]]:
        return {
            f"switch/{switch.name}": BridgeIsolation(
                self._shells.open(switch.access),
                switch.name,
                port,
                host.addresses,
                self._inventory.kept,
                gateways=switch.gateways,
                nft=switch.nft,
            )
            for switch in self._inventory.switches
            if (port := switch.port(host.name)) is not None
        }

    def _mesh(self, host: Host) -> Mapping[str, Resource[Filter]]:
        if host.nebula is None:
            return {}
        certificate = Certificate(self._shell(host), host.name, host.nebula)
        return {
            f"nebula/{peer.name}": NebulaBlock(
                self._shell(peer), peer.name, peer.nebula, host.name, certificate.fingerprint
            )
            for peer in self._inventory.hosts
            if peer.nebula is not None and peer.name != host.name
        }

    def _ec2(self, host: Host) -> Mapping[str, Resource[Filter]]:
        if host.cloud is None:
            return {}
        aws = self._clouds.open(host.cloud.cloud)
        kept = self._inventory.kept
        return {
            f"ec2/{host.cloud.cloud}": Ec2Isolation(
                aws, host.name, host.cloud, host.addresses, kept
            )
        }

    def _shell(self, host: Host) -> Shell | None:
        return None if host.access is None else self._shells.open(host.access)
