"""Cut a machine off without switching it off, so that its memory can still be read."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier


class Filter(StrEnum):
    """What a node's own packet filter lets through."""

    OPEN = "open"
    ISOLATED = "isolated"


class Isolate(Action[Filter]):
    """Leave a node only its management and evidence paths; its state is its packet filter."""

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = ("nft -f", "ss -K", "conntrack -D")
    d3fend: ClassVar[str] = "D3-NI"  # Network Isolation

    host: Name = Field(description="The host's name in the inventory.")
    lasts: timedelta | None = Field(
        default=timedelta(hours=8), gt=timedelta(0), description="How long it is held."
    )

    def desired(self, before: Filter) -> Filter:
        return Filter.ISOLATED

    def lapsed(self, state: Filter) -> Filter:
        return Filter.OPEN

    def touches(self) -> Indicators:
        return Indicators(hosts=(self.host,))

    def __str__(self) -> str:
        return f"isolate {self.host}"
