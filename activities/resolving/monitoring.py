"""What logs more of a host or a VPC."""

from collections.abc import Mapping

from activities.aws import Clouds
from activities.monitoring import Monitoring, RaiseMonitoring
from activities.providers.nft_flow_log import NftFlowLog
from activities.providers.sshd_log_level import SshdLogLevel
from activities.providers.vpc_flow_logs import VpcFlowLogs
from activities.shells import Shells
from responder.contract import Resource
from responder.inventory import Inventory


class Watching:
    """The resources of `RaiseMonitoring`."""

    def __init__(self, inventory: Inventory, shells: Shells, clouds: Clouds) -> None:
        self._inventory, self._shells, self._clouds = inventory, shells, clouds

    def raised(self, action: RaiseMonitoring) -> Mapping[str, Resource[Monitoring]]:
        """Everything that can log more of what *action* is about, by the point's name."""
        settings = self._inventory.monitoring
        if action.vpc is not None:
            vpc = settings.vpc(action.vpc)
            return {vpc.name: VpcFlowLogs(self._clouds.open(vpc.cloud), vpc)} if vpc else {}
        host = self._inventory.host(action.host or "")
        if host is None or host.access is None:
            return {}
        shell = self._shells.open(host.access)
        found: dict[str, Resource[Monitoring]] = {host.name: NftFlowLog(shell, host.name, settings)}
        if settings.sshd:
            found[f"{host.name}/sshd"] = SshdLogLevel(shell, host.name)
        return found
