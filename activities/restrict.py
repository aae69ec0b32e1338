"""Slow a network down for a while, instead of cutting it off."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field, field_validator, model_validator

from activities.block import name_of
from responder.contract import Action
from responder.incident import Frozen, Indicators, Network
from responder.policy.networks import parse_network
from responder.policy.tiers import Tier

_MOST = (
    1_000_000  # more than this is no restriction, and stays within the kernel's 64-bit arithmetic
)


class Limits(Frozen):
    """How much a network may send; None is as much as it likes. Two limits are one: the stricter."""

    packets_per_second: int | None = Field(default=None, ge=1, le=_MOST)
    connections_per_minute: int | None = Field(default=None, ge=1, le=_MOST)

    def stricter(self, other: "Limits") -> "Limits":
        """The lower of the two, limit by limit."""
        return Limits(
            packets_per_second=_lower(self.packets_per_second, other.packets_per_second),
            connections_per_minute=_lower(
                self.connections_per_minute, other.connections_per_minute
            ),
        )


class Restrict(Action[Limits]):
    """
    Let one network send only so much; what is above is dropped. A network shares one limit.

    Its state at a firewall is the limits that apply to exactly this network there.
    """

    tier: ClassVar[Tier] = Tier.T1
    permissions: ClassVar[tuple[str, ...]] = ("nft -f", "nft list table")
    d3fend: ClassVar[str] = "D3-ITF"  # Inbound Traffic Filtering: D3FEND has no narrower word

    network: Network = Field(description="The network to slow down; one address is a /32 or /128.")
    packets_per_second: int | None = Field(
        default=None, ge=1, le=_MOST, description="Packets it may send in a second, all together."
    )
    connections_per_minute: int | None = Field(
        default=None, ge=1, le=_MOST, description="Connections it may begin in a minute."
    )
    lasts: timedelta | None = Field(
        default=timedelta(hours=1), gt=timedelta(0), description="How long it is held."
    )

    @field_validator("network", mode="before")
    @classmethod
    def _plainly_written(cls, value: object) -> object:
        return parse_network(value) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _restricts(self) -> "Restrict":
        if self.limits == Limits():
            raise ValueError("expected packets_per_second or connections_per_minute, found neither")
        return self

    @property
    def limits(self) -> Limits:
        """What this action alone asks for."""
        return Limits(
            packets_per_second=self.packets_per_second,
            connections_per_minute=self.connections_per_minute,
        )

    def desired(self, before: Limits) -> Limits:
        return before.stricter(self.limits)

    def lapsed(self, state: Limits) -> Limits:
        return Limits()

    def touches(self) -> Indicators:
        return Indicators(networks=(self.network,))

    def __str__(self) -> str:
        packets, connections = self.packets_per_second, self.connections_per_minute
        said = [f"{packets} packets/s"] if packets else []
        said += [f"{connections} new connections/min"] if connections else []
        return f"restrict {name_of(self.network)} to {' and '.join(said)}"


def _lower(one: int | None, other: int | None) -> int | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)
