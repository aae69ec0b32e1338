"""An example of every action there is, and a world in memory where each of them would have an effect."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from activities import ACTIONS
from activities.access_keys import (
    CreateAccessKey,
    DeactivateAccessKey,
    DeleteAccessKey,
    KeyStatus,
    Quarantine,
    QuarantineUser,
    RevokeRoleSessions,
    RevokeUserSessions,
)
from activities.accounts import AccountState, DisableAccount, RevokeSessions, Sessions
from activities.block import Block
from activities.certificates import Renewal, RenewCertificate
from activities.cloud_logs import ExportLogs
from activities.forensics import Acquired, CollectEvidence
from activities.isolate import Filter, Isolate
from activities.keys import AddKeyVersion, DestroyKeyVersion, PromoteKeyVersion, RevokeKeyVersion
from activities.kms_keys import RotateKmsKey
from activities.mesh_certificates import RotateMeshCertificate
from activities.monitoring import Monitoring, RaiseMonitoring
from activities.restrict import Limits, Restrict
from activities.ssh_keys import AddSshKey, RemoveSshKey, RevokeSshKey, Trust
from activities.volumes import SnapshotVolumes
from responder.contract import Action
from responder.policy.networks import parse_network
from responder.secrets.contract import Stage, version_for
from tests.databases import ManualClock
from tests.verbs.desk import ATTACKER
from tests.verbs.world import Point, Thing, World

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CASE = "INC-2026-0001"
VERSION = version_for(CASE, "jwt-signing-key")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
PRINT = "SHA256:" + "A" * 43
_IN_CLOUD: dict[str, Any] = {"cloud": "prod", "user": "deploy"}
_OF_KEY: dict[str, Any] = {"key": "jwt-signing-key", "version": VERSION}

# Each action, and a state in which it would change something.
EXAMPLES: tuple[tuple[Action[Any], Any], ...] = (
    (Block(network=parse_network(ATTACKER)), False),
    (Isolate(host="web1"), Filter.OPEN),
    (Restrict(network=parse_network(ATTACKER), packets_per_second=10), Limits()),
    (RaiseMonitoring(host="web1"), Monitoring.NORMAL),
    (DisableAccount(account="alice"), AccountState.ENABLED),
    (RevokeSessions(account="alice", before=NOON), Sessions.OPEN),
    (RemoveSshKey(host="web1", user="alice", fingerprint=PRINT), Trust.TRUSTED),
    (AddSshKey(host="web1", user="alice", key=KEY), Trust.REFUSED),
    (RevokeSshKey(host="web1", key=KEY), Trust.TRUSTED),
    (AddKeyVersion(**_OF_KEY), Stage.ABSENT),
    (PromoteKeyVersion(**_OF_KEY), Stage.PENDING),
    (RevokeKeyVersion(**_OF_KEY), Stage.CURRENT),
    (DestroyKeyVersion(**_OF_KEY), Stage.REVOKED),
    (DeactivateAccessKey(**_IN_CLOUD, key="AKIAIOSFODNN7EXAMPLE"), KeyStatus.ACTIVE),
    (DeleteAccessKey(**_IN_CLOUD, key="AKIAIOSFODNN7EXAMPLE"), KeyStatus.INACTIVE),
    (CreateAccessKey(**_IN_CLOUD, secret="deploy-key", version=VERSION), Stage.ABSENT),
    (QuarantineUser(**_IN_CLOUD), Quarantine.OPEN),
    (RevokeRoleSessions(cloud="prod", role="deploy", before=NOON), None),
    (RevokeUserSessions(**_IN_CLOUD, before=NOON), None),
    (RotateKmsKey(cloud="prod", key="1234abcd-12ab-34cd-56ef-1234567890ab", since=NOON), False),
    (RotateMeshCertificate(host="web1", incident=CASE), False),
    (RenewCertificate(certificate="web-tls", renewal=VERSION), Renewal.DUE),
    (CollectEvidence(host="web1", incident=CASE), Acquired.NONE),
    (ExportLogs(incident=CASE, start=NOON - timedelta(hours=1), end=NOON), Acquired.NONE),
    (SnapshotVolumes(host="web1", incident=CASE), False),
)  # fmt: skip


class EveryPoint(World):
    """One point that carries every action, and writes down each effect."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__()
        self.point = Point("everything", clock, expires_by_itself=False)
        self._found = {type(action): found for action, found in EXAMPLES}

    def resolve(self, action: Action[Any]) -> Mapping[str, Thing]:
        kind = type(action)
        return {"everything": Thing(self.point, kind.__name__, "thing", self._found[kind])}


def without_an_example() -> set[str]:
    """The actions that have no example, or whose example would change nothing."""
    good = {type(action) for action, found in EXAMPLES if action.desired(found) != found}
    return {kind.__name__ for kind in ACTIONS if kind not in good}
