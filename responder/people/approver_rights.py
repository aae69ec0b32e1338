"""
Which teams may approve what, beyond the permission to decide at all.

Every rule that speaks about an ask must be met, so a rule can only take rights away. Denying is never
restricted: a "no" changes nothing in the world.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from pydantic import Field

from responder.incident import Category, Frozen, Name, Priority
from responder.policy.tiers import Tier


@dataclass(frozen=True)
class About:
    """What an ask is about; what is not known is taken to be what a rule speaks about."""

    tier: str | None = None
    category: str | None = None
    priority: str | None = None

    @classmethod
    def of(cls, ask: Mapping[Any, Any], incident: Mapping[Any, Any] | None = None) -> Self:
        """From the rows of an ask and of its incident."""
        found = {**(incident or {}), **ask}
        return cls(found.get("tier"), found.get("category"), found.get("priority"))


class ApproverRule(Frozen):
    """Asks of these tiers, categories and priorities are approved by members of these teams only."""

    teams: tuple[Name, ...] = Field(min_length=1, description="Who may approve them.")
    tiers: tuple[Tier, ...] = Field(default=(), description="None named: of every tier.")
    categories: tuple[Category, ...] = Field(
        default=(), description="None named: of incidents of every category."
    )
    priorities: tuple[Priority, ...] = Field(
        default=(), description="None named: of incidents of every priority."
    )

    def speaks_about(self, about: About) -> bool:
        """Whether the rule is about that ask."""
        named = (
            (self.tiers, about.tier),
            (self.categories, about.category),
            (self.priorities, about.priority),
        )
        return all(not these or found is None or found in these for these, found in named)


def objection(rules: Iterable[ApproverRule], teams: Iterable[str], about: About) -> str | None:
    """Why a member of *teams* may not approve that ask, or None if they may."""
    theirs = frozenset(teams)
    for rule in rules:
        if rule.speaks_about(about) and theirs.isdisjoint(rule.teams):
            asked = " ".join(filter(None, (about.tier, about.priority, about.category)))
            return f"asks like this one ({asked}) are approved by {' or '.join(rule.teams)} only"
    return None
