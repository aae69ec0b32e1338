"""Which instance's volumes are kept, and where to."""

from collections.abc import Mapping

from activities.aws import Clouds
from activities.providers.ebs import VolumeSnapshots
from responder.contract import Resource
from responder.inventory import Inventory


class Snapshots:
    """The resources of `SnapshotVolumes`."""

    def __init__(self, inventory: Inventory, clouds: Clouds) -> None:
        self._inventory = inventory
        self._clouds = clouds

    def volumes(self, name: str, incident: str) -> Mapping[str, Resource[bool]]:
        """The volumes of the host *name*; nothing if it is no instance, or copies have nowhere to go."""
        host, vault = self._inventory.host(name), self._inventory.snapshots
        if host is None or host.cloud is None or vault is None:
            return {}
        aws, vault_aws = self._clouds.open(host.cloud.cloud), self._clouds.open(vault.cloud)
        kept = VolumeSnapshots(aws, host.name, host.cloud, incident, vault_aws, vault)
        return {f"ebs/{host.cloud.cloud}": kept}
