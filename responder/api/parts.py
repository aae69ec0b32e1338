"""What the routes work with."""

from dataclasses import dataclass, field
from typing import Any

from responder.approval.service import Approvals
from responder.crypto.jwks import PublishedKeys
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.intake.drain import Drain
from responder.people.person import Directory
from responder.policy.judge import Policy
from responder.reconcile import Reconciler
from responder.secrets.contract import SecretStore
from responder.settings import Settings
from responder.store import Store
from responder.telemetry import Metrics
from responder.temporal import Link
from responder.verbs.context import Kinds


@dataclass
class Parts:
    """The parts of `serve`, put together once."""

    settings: Settings
    store: Store
    deliveries: KeyRing
    payloads: KeyRing
    people: Directory
    policy: Policy
    approvals: Approvals
    signer: Signer
    kinds: Kinds
    link: Link
    drain: Drain
    reconciler: Reconciler
    metrics: Metrics
    secrets: SecretStore
    published: PublishedKeys
    codec_path: str
    ready: dict[str, Any] = field(default_factory=dict)
