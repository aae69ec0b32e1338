"""Keep what a cloud logged in a window of time, before its retention ends or somebody deletes it."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import AwareDatetime, Field, model_validator

from activities.forensics import Acquired
from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier

# AWS CloudTrail User Guide, "Working with CloudTrail event history": the last 90 days.
_HISTORY = timedelta(days=90)


class ExportLogs(Action[Acquired]):
    """
    Copy the logs of a window of time into the vault; its state is whether that is done.

    That is CloudTrail's events and VPC flow logs, of every account that `evidence.logs` names.
    """

    reversible: ClassVar[bool] = False  # evidence that was taken is not given back
    try_for: ClassVar[timedelta] = timedelta(hours=12)
    longest: ClassVar[timedelta] = timedelta(minutes=30)
    tier: ClassVar[Tier] = Tier.T0
    permissions: ClassVar[tuple[str, ...]] = (
        "cloudtrail:LookupEvents",
        "logs:FilterLogEvents",
        "vault: create objects, read them, list them",
    )

    incident: Name = Field(description="The incident the evidence belongs to: the case.")
    start: AwareDatetime = Field(description="From when on.")
    end: AwareDatetime = Field(description="Until when; what is logged later is not exported.")

    @model_validator(mode="after")
    def _is_a_window(self) -> "ExportLogs":
        if not timedelta(0) < self.end - self.start <= _HISTORY:
            raise ValueError(
                f"expected a window of at most 90 days, found {self.start} to {self.end}"
            )
        return self

    @classmethod
    def around(cls, incident: str, began: datetime, now: datetime) -> "ExportLogs":
        """From a day before *began* until *now*, as far back as CloudTrail remembers."""
        start = min(began, now) - timedelta(days=1)
        return cls(incident=incident, start=max(start, now - _HISTORY), end=now)

    @property
    def collection(self) -> str:
        """What the collection is called: its window."""
        return f"logs-{_stamp(self.start)}-{_stamp(self.end)}"

    def desired(self, before: Acquired) -> Acquired:
        return Acquired.ACQUIRED

    def touches(self) -> Indicators:
        return Indicators()

    def __str__(self) -> str:
        start, end = (at.astimezone(UTC) for at in (self.start, self.end))
        return f"export cloud logs from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC"


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
