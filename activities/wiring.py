"""Which resources answer for which action: the only place where actions meet providers."""

from collections.abc import Mapping
from typing import Any

from activities.access_keys import (
    AccessKeyUse,
    CreateAccessKey,
    DeactivateAccessKey,
    DeleteAccessKey,
    ManagedAccessKeys,
    QuarantineUser,
    RevokeRoleSessions,
    RevokeUserSessions,
)
from activities.accounts import DisableAccount, RevokeSessions
from activities.aws import Clouds
from activities.block import Block
from activities.certificates import ExpiringCertificates, RenewCertificate
from activities.cloud_logs import ExportLogs
from activities.connections import Connection, Connections
from activities.footholds import Footholds
from activities.forensics import CollectEvidence
from activities.isolate import Isolate
from activities.keys import KeyVersion, ManagedKeys
from activities.kms_keys import RotateKmsKey
from activities.mesh_certificates import RotateMeshCertificate
from activities.monitoring import RaiseMonitoring
from activities.resolving.accounts import Accounts
from activities.resolving.blocking import Blocking
from activities.resolving.certificates import Certificates
from activities.resolving.collecting import Collecting
from activities.resolving.iam import Iam
from activities.resolving.isolating import Isolating
from activities.resolving.keys import ManagedKeyRing
from activities.resolving.mesh import MeshCertificates
from activities.resolving.monitoring import Watching
from activities.resolving.restricting import Restricting
from activities.resolving.snapshots import Snapshots
from activities.resolving.ssh_keys import SshKeys
from activities.restrict import Restrict
from activities.shells import Shells
from activities.ssh_keys import AddSshKey, RemoveSshKey, RevokeSshKey
from activities.volumes import SnapshotVolumes
from responder.contract import Action, Lookup, Resource
from responder.errors import Unreachable
from responder.inventory import Inventory
from responder.store import Store


class Wiring:
    """The providers of one inventory, with their kept connections."""

    def __init__(self, inventory: Inventory, store: Store) -> None:
        self._inventory = inventory
        self._shells = Shells()
        self._clouds = Clouds(inventory.clouds)
        self._blocking = Blocking(inventory, store, self._shells, self._clouds)
        self._isolating = Isolating(inventory, self._shells, self._clouds)
        self._collecting = Collecting(inventory, self._shells, self._clouds)
        self._restricting = Restricting(inventory, self._shells)
        self._snapshots = Snapshots(inventory, self._clouds)
        self._watching = Watching(inventory, self._shells, self._clouds)
        self._accounts = Accounts(inventory, self._shells)
        self._ssh_keys = SshKeys(inventory, self._shells)
        self._keys = ManagedKeyRing(inventory)
        self._certificates = Certificates(inventory, self._shells)
        self._mesh = MeshCertificates(inventory, self._shells)
        self._iam = Iam(inventory, self._clouds)

    def resolve(self, action: Action[Any]) -> Mapping[str, Resource[Any]]:  # noqa: C901, PLR0911, PLR0912 - one line a kind of action
        """Every enforcement point that must carry *action*, by name."""
        match action:
            case Block(network=network):
                return self._blocking.block(network)
            case Isolate(host=host):
                return self._isolating.isolate(host)
            case CollectEvidence():
                return self._collecting.collect(action)
            case ExportLogs():
                return self._collecting.export(action)
            case SnapshotVolumes(host=host, incident=incident):
                return self._snapshots.volumes(host, incident)
            case Restrict(network=network):
                return self._restricting.restrict(network)
            case RaiseMonitoring():
                return self._watching.raised(action)
            case DisableAccount() | RevokeSessions():
                return self._accounts.resolve(action)
            case RemoveSshKey() | AddSshKey() | RevokeSshKey():
                return self._ssh_keys.resolve(action)
            case KeyVersion():
                return self._keys.resolve(action)
            case RotateMeshCertificate():
                return self._mesh.resolve(action)
            case RenewCertificate():
                return self._certificates.resolve(action)
            case (
                DeactivateAccessKey()
                | DeleteAccessKey()
                | CreateAccessKey()
                | QuarantineUser()
                | RevokeRoleSessions()
                | RevokeUserSessions()
                | RotateKmsKey()
            ):
                return self._iam.resolve(action)
        return {}

    async def answer(self, lookup: Lookup[Any]) -> Any:  # noqa: ANN401 - typed by the lookup's bracket
        """The answer to *lookup*."""
        match lookup:
            case Connections(host=name):
                return await self._connections(name)
            case ManagedKeys(names=names):
                return await self._keys.among(names)
            case ExpiringCertificates():
                return await self._certificates.expiring(lookup)
            case AccessKeyUse():
                return await self._iam.use(lookup)
            case Footholds():
                return await self._iam.footholds(lookup)
            case ManagedAccessKeys(names=names):
                return await self._iam.among(names)
        raise Unreachable(f"{lookup}: nothing here can answer it")

    async def faults(self) -> list[str]:
        """Why accounts of AWS cannot be used, a line for each; empty if all answer."""
        return await self._clouds.faults()

    async def close(self) -> None:
        """Let go of kept connections."""
        await self._accounts.close()
        await self._shells.close()
        await self._clouds.close()

    async def _connections(self, name: str) -> list[Connection] | None:
        host = self._inventory.host(name)
        if host is None or host.access is None:
            return None
        said = await self._shells.open(host.access).run("ss", "-Htan")
        rows = [line.split() for line in said.out.splitlines()]
        return [Connection(state=r[0], local=r[3], remote=r[4]) for r in rows if len(r) > 4]  # noqa: PLR2004 - ss's columns
