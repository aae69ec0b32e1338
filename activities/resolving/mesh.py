"""Which host's mesh certificate is rotated, who signs it, and whose block lists are asked before."""

from collections.abc import Mapping

from activities.mesh_certificates import RotateMeshCertificate
from activities.providers.nebula_authority import Authority
from activities.providers.nebula_certificate import HostCertificate
from activities.shells import Shells
from responder.contract import Resource
from responder.errors import Refused
from responder.inventory import Inventory


class MeshCertificates:
    """The resources of `RotateMeshCertificate`."""

    def __init__(self, inventory: Inventory, shells: Shells) -> None:
        self._inventory = inventory
        self._shells = shells

    def resolve(self, action: RotateMeshCertificate) -> Mapping[str, Resource[bool]]:
        """The host's certificate; nothing if it has none, cannot be reached, or nobody can sign."""
        host, settings = self._inventory.host(action.host), self._inventory.mesh.authority
        if host is None or host.nebula is None or host.access is None or settings is None:
            return {}
        if host.nebula.fingerprint is not None:
            raise Refused(
                f"{action}: expected no inventory.hosts[].nebula.fingerprint for {host.name}, found one: "
                "isolation would go on listing the old certificate; take it out, and name the new one "
                "afterwards; nothing was changed"
            )
        peers = {
            peer.name: (self._shells.open(peer.access), peer.nebula)
            for peer in self._inventory.hosts
            if peer.nebula and peer.access and peer.name != host.name and not peer.down
        }
        shell = self._shells.open(host.access)
        authority = Authority(self._shells.open(settings.access), settings)
        made = HostCertificate(shell, host.name, host.nebula, action.incident, authority, peers)
        return {f"nebula/{host.name}": made}
