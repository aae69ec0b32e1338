"""
What a decision about leases is over, and how dangerous it is: tiered like the change that is held.

Whoever approves an end or an extension signs the digest of a `LeaseChange`: which holds, on which
resources, until when instead of until when, and under which policy. Pure, like all policy.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from enum import StrEnum

from pydantic import Field

from responder.digest import Digest, digest_of, material
from responder.incident import Frozen, Network
from responder.policy.judge import Policy
from responder.policy.shared import objections
from responder.policy.tiers import Tier


class LeaseKind(StrEnum):
    """What is to become of a lease."""

    END = "end"
    EXTEND = "extend"


class HeldNow(Frozen):
    """One hold as it was when its end or extension was asked for."""

    id: str
    resource: str
    incident: str
    summary: str
    tier: Tier
    taken: datetime
    until: datetime | None


class LeaseChange(Frozen):
    """Holds that a person wants to end now, or to live longer; in the order of their undoing."""

    kind: LeaseKind
    holds: tuple[HeldNow, ...] = Field(min_length=1)
    until: datetime | None = Field(default=None, description="The new end of an extension.")
    incident: str
    tier: Tier
    shown: Digest = Field(description="The digest of the plan that people are shown.")
    policy: str = Field(description="Version (digest) of the policy that weighed it.")
    asked_by: str = Field(default="", description="Who asked for it, and gave the first decision.")

    @property
    def digest(self) -> Digest:
        """
        SHA-256 of all of it, 64 hex digits: what an approval is given for.

        One that does not say who asked, as none did before, has the digest that it had then.
        """
        return digest_of(material(self, without=() if self.asked_by else ("asked_by",)))

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources it touches, each once, in the order of their undoing."""
        return tuple(dict.fromkeys(hold.resource for hold in self.holds))


def weigh(
    policy: Policy, holds: Iterable[tuple[HeldNow, tuple[Network, ...]]], until: datetime | None
) -> Tier:
    """
    The tier of ending *holds*, or of extending them to *until*: that of the heaviest of them.

    A lease that becomes longer than one may be alone, or too long for addresses that others
    share, is T2 at least, as it would be if it were made that long.
    """
    reached = Tier.T1  # ending or extending is never mere reading
    for hold, networks in holds:
        tiers = [reached, hold.tier]
        if until is not None:
            lasts = until - hold.taken
            shared = any(asks for asks, _ in objections(lasts, networks, policy.shared))
            if lasts > policy.tiers.longest_alone or shared:
                tiers.append(Tier.T2)
        reached = max(tiers, key=lambda tier: tier.rank)
    return reached


def too_far(policy: Policy, hold: HeldNow, until: datetime, now: datetime) -> str | None:
    """Why *hold* cannot be extended to *until*; None if it can."""
    if hold.until is None:
        return f"{hold.summary} has no end: it lives until a person ends it"
    if until <= hold.until:
        return f"expected an end later than {_utc(hold.until)}, found {_utc(until)}"
    longest = policy.tiers.longest_extension
    if until > now + longest:
        days = longest / timedelta(days=1)
        return f"expected an end within {days:g} days from now, found {_utc(until)}"
    return None


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
