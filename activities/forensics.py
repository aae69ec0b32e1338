"""Take what a machine will soon forget, before anybody changes it: live response over SSH."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field, field_validator

from activities.collecting.steps import Profile, StepName
from responder.contract import Action
from responder.evidence.volatility import Waiver
from responder.incident import Frozen, Indicators, Name
from responder.policy.tiers import Tier


class Acquired(StrEnum):
    """Whether a collection is complete in the vault."""

    NONE = "none"
    ACQUIRED = "acquired"


class LeftOut(Frozen):
    """A step that is not done, and why."""

    step: StepName
    reason: str = Field(min_length=8, max_length=500, description="Why; it goes into custody.")

    @property
    def waiver(self) -> Waiver:
        """The same for the order of volatility."""
        return Waiver(step=self.step.value, reason=self.reason)


class CollectEvidence(Action[Acquired]):
    """
    Acquire volatile and stable evidence of a host into the vault; its state is whether that is done.

    The steps follow RFC 3227: what is lost soonest comes first, and nothing less volatile begins
    before it is done or waived. Not covered over SSH: registers, an image of all memory, an image of
    disks; the manifest says so.
    """

    reversible: ClassVar[bool] = False  # evidence that was taken is not given back
    try_for: ClassVar[timedelta] = timedelta(hours=4)
    longest: ClassVar[timedelta] = timedelta(minutes=30)
    tier: ClassVar[Tier] = Tier.T0
    permissions: ClassVar[tuple[str, ...]] = (
        "root, or `sudo -n sh`: it reads /proc, /etc/shadow and logs",
        "vault: create objects, read them, list them",
    )

    host: Name = Field(description="The host's name in the inventory.")
    incident: Name = Field(description="The incident the evidence belongs to: the case.")
    profile: Profile = Field(
        default=Profile.TRIAGE,
        description="`triage`: without contents of temporary file systems, package verification "
        "and containers; `full`: with them.",
    )
    collection: Name = Field(
        default="first",
        max_length=60,
        description="Which collection of this host in this incident.",
    )
    window: timedelta = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="How far back logs are taken."
    )
    waived: tuple[LeftOut, ...] = Field(
        default=(), description="Steps left out, each with a reason."
    )

    @field_validator("waived")
    @classmethod
    def _once_each(cls, value: tuple[LeftOut, ...]) -> tuple[LeftOut, ...]:
        steps = [one.step for one in value]
        if twice := sorted({step for step in steps if steps.count(step) > 1}):
            raise ValueError(f"{', '.join(twice)} is waived twice")
        return value

    def desired(self, before: Acquired) -> Acquired:
        return Acquired.ACQUIRED

    def touches(self) -> Indicators:
        return Indicators(hosts=(self.host,))

    def __str__(self) -> str:
        left = f" without {', '.join(one.step for one in self.waived)}" if self.waived else ""
        return f"collect evidence ({self.profile}) of {self.host}{left}"
