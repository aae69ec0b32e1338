"""Cut a machine off without switching it off, so that its memory can still be read."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field

from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier


class Filter(StrEnum):
    """What one enforcement point lets through of a node."""

    OPEN = "open"
    ISOLATED = "isolated"


class Isolate(Action[Filter]):
    """Leave a node only its management and evidence paths, at everything that can cut it off."""

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = (
        "host and switch: nft -f, nft -j list",
        "host: ss -K",
        "Nebula: write its configuration, nebula -test, kill -HUP, write /run/responder",
    )
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
