"""
How dangerous a change is, and what it needs before it may be made.

The tiers follow the project's design: T0 reading, T1 one unprotected outside address for a day,
T2 what one stepped-up person may approve, T3 what needs two people, BG break-glass.
"""

from datetime import timedelta
from enum import StrEnum

from pydantic import Field

from responder.incident import Frozen, Priority


class Ruling(StrEnum):
    """What policy says about a plan."""

    ALLOW = "allow"
    ASK = "ask"
    REFUSE = "refuse"


class Tier(StrEnum):
    """How dangerous a change is; the order is the order of danger."""

    T0 = "T0"
    T1 = "T1"
    T2 = "T2"
    T3 = "T3"

    @property
    def rank(self) -> int:
        """0 for T0 up to 3 for T3."""
        return int(self.value[1])


class Needs(Frozen):
    """What a tier needs before a change of it may be made."""

    people: int = Field(ge=0, le=9, description="Distinct people who must approve; 0 asks nobody.")
    stepped_up: int = Field(
        ge=0,
        le=9,
        description="How many of them with a second factor, at the least: where it is any, whoever "
        "approves gives theirs.",
    )
    not_requester: bool = Field(default=True, description="Nobody may approve their own request.")
    number_match: bool | None = Field(
        default=None,
        description="Whether each types the ask's number, which stands only where its plan is read; "
        "unset: at T3.",
    )


class TierRules(Frozen):
    """The data by which a change's tier is raised above its action's own."""

    needs: dict[Tier, Needs] = Field(
        default={
            Tier.T0: Needs(people=0, stepped_up=0),
            Tier.T1: Needs(people=0, stepped_up=0),
            Tier.T2: Needs(people=1, stepped_up=1),
            Tier.T3: Needs(people=2, stepped_up=2),
        },
        description="What each tier needs.",
    )
    alone_at: tuple[Priority, ...] = Field(
        default=(Priority.P1, Priority.P2, Priority.P3),
        description="Priorities at which a T1 change is made without asking; others ask one person.",
    )
    longest_alone: timedelta = Field(
        default=timedelta(hours=24), description="A longer lease is T2 at least."
    )
    longest_extension: timedelta = Field(
        default=timedelta(days=7),
        gt=timedelta(0),
        description="How far from now the new end of an extended lease may be at most.",
    )
    narrow_v4: int = Field(default=32, description="An IPv4 prefix shorter than this is T2.")
    narrow_v6: int = Field(default=128, description="An IPv6 prefix shorter than this is T2.")
    wide_v4: int = Field(default=28, description="An IPv4 prefix shorter than this is T3.")
    wide_v6: int = Field(default=64, description="An IPv6 prefix shorter than this is T3.")
    widest_v4: int = Field(default=16, description="An IPv4 prefix shorter than this is refused.")
    widest_v6: int = Field(default=32, description="An IPv6 prefix shorter than this is refused.")

    def asked(self, tier: Tier) -> Needs:
        """What a change of *tier* needs once somebody is asked: one person at least."""
        needs = self.needs[tier]
        unset = needs.number_match is None
        return needs.model_copy(
            update={
                "people": max(needs.people, 1),
                "number_match": tier is Tier.T3 if unset else needs.number_match,
            }
        )
