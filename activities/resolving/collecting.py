"""How evidence of a host is taken: over its shell, into the vault that the settings name."""

from collections.abc import Mapping

from activities.aws import Clouds
from activities.cloud_logs import ExportLogs
from activities.forensics import Acquired, CollectEvidence
from activities.providers.cloud_logs import CloudLogs
from activities.providers.live_response import LiveResponse
from activities.providers.vault_s3 import S3Vault
from activities.shells import Shells
from activities.streams import open_streams
from responder.contract import Resource
from responder.crypto.keyring import KeyRing
from responder.evidence.folder import FolderVault
from responder.evidence.settings import InS3, Vaulted
from responder.evidence.vault import Vault
from responder.inventory import Inventory


class Collecting:
    """The resources of `CollectEvidence` and `ExportLogs`."""

    def __init__(self, inventory: Inventory, shells: Shells, clouds: Clouds) -> None:
        self._inventory = inventory
        self._shells = shells
        self._clouds = clouds

    def collect(self, action: CollectEvidence) -> Mapping[str, Resource[Acquired]]:
        """The host's shell, if it has one; a host that cannot be reached has no point."""
        host = self._inventory.host(action.host)
        if host is None or host.access is None:
            return {}
        shell = self._shells.open(host.access)
        vaulted = self._inventory.vaulted
        return {
            host.name: LiveResponse(
                open_vault(vaulted, self._clouds),
                shell,
                open_streams(host.access, shell),
                action.model_copy(update={"host": host.name}),
                scope=vaulted.evidence.scope,
            )
        }

    def export(self, action: ExportLogs) -> Mapping[str, Resource[Acquired]]:
        """Every account whose logs the settings name, each alone."""
        vaulted = self._inventory.vaulted
        return {
            source.cloud: CloudLogs(
                open_vault(vaulted, self._clouds), self._clouds.open(source.cloud), source, action
            )
            for source in vaulted.evidence.logs
        }


def open_vault(vaulted: Vaulted, clouds: Clouds) -> Vault:
    """The vault that the settings name."""
    settings = vaulted.evidence.vault
    if isinstance(settings, InS3):
        return S3Vault(settings, lambda: clouds.open(settings.cloud).client("s3"))
    return FolderVault(vaulted.folder, lambda: KeyRing.load(vaulted.ring))
