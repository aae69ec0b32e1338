"""What the routes work with."""

from dataclasses import dataclass, field
from typing import Any

from responder.approval.leasing import Leasing
from responder.approval.service import Approvals
from responder.crypto.jwks import PublishedKeys
from responder.crypto.keyring import KeyRing
from responder.crypto.signing import Signer
from responder.intake.drain import Drain
from responder.intrusion.watch import Watch
from responder.lease_delivery import LeaseDelivery
from responder.notify.routing import Routing
from responder.notify.slack import SlackSender
from responder.people.person import Directory
from responder.people.reach import Reach
from responder.people.token_keys import TokenKeys
from responder.policy.judge import Policy
from responder.reconcile import Reconciler
from responder.secrets.contract import SecretStore
from responder.settings import Settings
from responder.slack.client import Slack
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
    watch: Watch
    metrics: Metrics
    secrets: SecretStore
    published: PublishedKeys
    token_keys: TokenKeys
    codec_path: str
    slack: Slack | None = None
    ready: dict[str, Any] = field(default_factory=dict)

    @property
    def leasing(self) -> Leasing:
        """Where leases are ended and extended by decisions."""
        return Leasing(
            self.store,
            self.signer,
            self.deliveries,
            self.policy,
            self.people,
            self.kinds,
            origin=self.settings.api.origin,
            rules=self.settings.approvals,
        )

    @property
    def lease_delivery(self) -> LeaseDelivery:
        """What writes down and makes known what was decided about leases."""
        return LeaseDelivery(self.store, self.link, self.leasing)

    @property
    def reach(self) -> Reach:
        """Whom messages reach."""
        return Reach(self.people, self.settings.oncall, self.settings.sla)

    @property
    def routing(self) -> Routing:
        """By which channels."""
        slack = self.settings.slack
        chat = None if slack is None else SlackSender(slack, self.store)
        return Routing(self.settings.notify, self.settings.mail, self.reach, chat)
