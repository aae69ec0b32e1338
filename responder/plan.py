"""
What would change, and what came of it.

A plan covers one `do`: all its actions, at every enforcement point. Its digest is SHA-256 over
the canonical JSON (RFC 8785) of its material fields. Fields marked `Volatile` are left out: they
may differ between two plans of the same change without making them two changes.
"""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import Field, JsonValue

from responder.contract import Request
from responder.digest import Digest, Volatile, digest_of, material
from responder.incident import Frozen, Indicators
from responder.policy.tiers import Ruling, Tier


class PointPlan(Frozen):
    """What one enforcement point holds now, and what it would hold."""

    point: str
    resource: str
    known: Annotated[bool, Volatile] = Field(
        default=True, description="False when the point did not answer: its state is unknown."
    )
    before: JsonValue = Field(default=None, description="None while the point is unknown.")
    expires: Annotated[datetime | None, Volatile] = None
    record: JsonValue = Field(
        default=None, description="What stands there beside the state, as the provider tells it."
    )
    after: JsonValue = None
    changes: Annotated[bool, Volatile] = True


class Change(Frozen):
    """One action of a plan, at all its enforcement points."""

    request: Request
    summary: Annotated[str, Volatile]
    points: tuple[PointPlan, ...]
    lasts: timedelta | None
    reversible: bool
    tier: Tier
    ruling: Annotated[Ruling, Volatile]
    reason: Annotated[str, Volatile] = ""


class Blast(Frozen):
    """How much a plan touches: counted over the whole batch."""

    hosts: int = 0
    networks: int = 0
    accounts: int = 0
    protected: tuple[str, ...] = ()

    def __str__(self) -> str:
        counts = [(self.hosts, "host"), (self.networks, "network"), (self.accounts, "account")]
        said = [f"{n} {noun}{'s' * (n != 1)}" for n, noun in counts if n] or ["nothing"]
        return " · ".join([*said, f"{len(self.protected)} protected"])


class How(StrEnum):
    """How a person comes to have asked for a change."""

    OPENED = "opened the incident"
    EDITED = "edited the plan"
    LEASE = "asked for it"


class Requester(Frozen):
    """A person who asked for a change; what no person asked for has none."""

    name: str
    how: How

    def __str__(self) -> str:
        return f"{self.name} ({self.how})"


class Plan(Frozen):
    """What one `do` would change, and what policy says about it."""

    incident: str
    run: str
    step: int
    playbook: str
    code: str = Field(description="SHA-256 of the playbook's source: which code is asking.")
    asked_by: tuple[Requester, ...] = Field(
        default=(), description="Who asked for it; empty where a sender's alert did."
    )
    changes: tuple[Change, ...]
    touches: Indicators
    blast: Blast
    tier: Tier
    ruling: Annotated[Ruling, Volatile]
    reason: Annotated[str, Volatile] = ""
    policy: str = Field(description="Version (digest) of the policy that judged.")
    at: Annotated[datetime, Volatile]

    @property
    def digest(self) -> Digest:
        """
        SHA-256 of the material fields, 64 hex digits: what an approval is given for.

        Who asked for it is part of it where anybody did. A plan that no person asked for has the
        digest that it had before plans said so, by which what is held under it is still believed.
        """
        return digest_of(material(self, without=() if self.asked_by else ("asked_by",)))

    @property
    def refused(self) -> str:
        """Which of its actions policy refused, and why; empty if none."""
        return "; ".join(
            f"{c.summary}: {c.reason}" for c in self.changes if c.ruling is Ruling.REFUSE
        )

    @property
    def summary(self) -> str:
        """All its actions in one sentence."""
        return "; ".join(change.summary for change in self.changes) or "nothing to change"


class Outcome(StrEnum):
    """How one enforcement point stands after a change was carried out there."""

    VERIFIED = "verified"
    PENDING = "pending"
    UNKNOWN = "unknown"
    FAILED = "failed"
    DRIFTED = "drifted"


class PointReceipt(Frozen):
    """Proof, or the lack of it, from one enforcement point."""

    point: str
    resource: str
    outcome: Outcome
    found: JsonValue = None
    record: JsonValue = Field(default=None, description="Beside the state: proof, ids, digests.")
    said: str = ""
    at: datetime


class Receipt(Frozen):
    """What came of one action."""

    key: str
    request: Request
    summary: str
    points: tuple[PointReceipt, ...]
    until: datetime | None = None
    refused: str = Field(default="", description="Why policy refused it, if it did.")

    @property
    def verified(self) -> bool:
        """Whether every enforcement point was read back and holds what was wanted."""
        return bool(self.points) and all(p.outcome is Outcome.VERIFIED for p in self.points)
