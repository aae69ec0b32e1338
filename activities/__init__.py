"""What can be done, and to what."""

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
from activities.block import Block
from activities.certificates import ExpiringCertificates, RenewCertificate
from activities.cloud_logs import ExportLogs
from activities.connections import Connections
from activities.footholds import Footholds
from activities.forensics import CollectEvidence
from activities.isolate import Isolate
from activities.keys import (
    AddKeyVersion,
    DestroyKeyVersion,
    ManagedKeys,
    PromoteKeyVersion,
    RevokeKeyVersion,
)
from activities.kms_keys import RotateKmsKey
from activities.mesh_certificates import RotateMeshCertificate
from activities.monitoring import RaiseMonitoring
from activities.restrict import Restrict
from activities.ssh_keys import AddSshKey, RemoveSshKey, RevokeSshKey
from activities.volumes import SnapshotVolumes

ACTIONS = (
    Block, Isolate, Restrict, RaiseMonitoring, DisableAccount, RevokeSessions,
    RemoveSshKey, AddSshKey, RevokeSshKey,
    AddKeyVersion, PromoteKeyVersion, RevokeKeyVersion, DestroyKeyVersion,
    DeactivateAccessKey, DeleteAccessKey, CreateAccessKey, QuarantineUser, RevokeRoleSessions,
    RevokeUserSessions,
    RotateKmsKey, RotateMeshCertificate, RenewCertificate,
    CollectEvidence, ExportLogs, SnapshotVolumes,
)  # fmt: skip
LOOKUPS = (
    Connections, AccessKeyUse, ManagedAccessKeys, Footholds, ManagedKeys, ExpiringCertificates,
)  # fmt: skip
