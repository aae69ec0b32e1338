"""
The permission table: what can be allowed, the roles that allow it, and the patterns that name it.

A role is a list of patterns: `noun:verb`, `noun:*`, or `*`. What no pattern of a role matches is
denied. Beside our own nouns the words of a wider permission scheme are understood - `agents`, `tasks`,
`system`, `users`, `metrics`, `api` - and mean what `WORDS` says; `docs/how-to/people-and-rights.md`
shows the same table.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, StringConstraints, field_validator

from responder.incident import Frozen

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class Role(StrEnum):
    """The roles that there are without being set; settings may change them and add others."""

    ADMIN = "admin"
    OPERATOR = "operator"
    VIEWER = "viewer"
    API_USER = "api_user"


class Permission(StrEnum):
    """One thing that can be allowed. What no role lists is denied."""

    INCIDENTS_READ = "incidents:read"
    INCIDENTS_WRITE = "incidents:write"
    APPROVALS_DECIDE = "approvals:decide"
    LEASES_WRITE = "leases:write"
    PLANS_DRAW = "plans:draw"
    PAGES_TAKE = "pages:take"
    ONCALL_WRITE = "oncall:write"
    AUDIT_READ = "audit:read"
    RUNNER_PAUSE = "runner:pause"
    FACTORS_WRITE = "factors:write"  # one's own second factors; others' need people:write as well
    PEOPLE_WRITE = "people:write"
    INTAKE_READ = "intake:read"
    EVIDENCE_READ = "evidence:read"  # the bytes themselves, which hold secrets of the hosts


# An agent is what acts by itself: here a playbook's run, in an incident. A task is what waits for a
# person or is asked for by a program: an ask, a page, a preview.
WORDS: Mapping[str, frozenset[Permission]] = {
    "system:*": frozenset(Permission),
    "users:*": frozenset({Permission.PEOPLE_WRITE, Permission.ONCALL_WRITE}),
    # Whoever looks at incidents is a person, and people look after their own second factors.
    "agents:read": frozenset(
        {Permission.INCIDENTS_READ, Permission.AUDIT_READ, Permission.FACTORS_WRITE}
    ),
    "agents:execute": frozenset(
        {
            Permission.INCIDENTS_WRITE,
            Permission.LEASES_WRITE,
            Permission.PLANS_DRAW,
            Permission.RUNNER_PAUSE,
            Permission.EVIDENCE_READ,
        }
    ),
    "tasks:read": frozenset({Permission.INCIDENTS_READ, Permission.INTAKE_READ}),
    "tasks:create": frozenset({Permission.PLANS_DRAW}),
    "tasks:decide": frozenset({Permission.APPROVALS_DECIDE}),
    "tasks:take": frozenset({Permission.PAGES_TAKE, Permission.ONCALL_WRITE}),
    "metrics:read": frozenset({Permission.AUDIT_READ, Permission.INTAKE_READ}),
    "api:execute": frozenset({Permission.INCIDENTS_READ, Permission.INTAKE_READ}),
}
_SINGLE: Mapping[str, frozenset[Permission]] = {one.value: frozenset({one}) for one in Permission}
_ALL: Mapping[str, frozenset[Permission]] = {**WORDS, **_SINGLE}


def matching(pattern: str) -> frozenset[Permission]:
    """
    What *pattern* allows.

    Raises `ValueError`, naming the nearest pattern, if it matches nothing: a role that means
    something else than it says is found when the settings are read.
    """
    if pattern == "*":
        return frozenset(Permission)
    if pattern in _ALL:
        return _ALL[pattern]
    noun, _, verb = pattern.partition(":")
    if verb == "*":
        of_noun = [allowed for name, allowed in _ALL.items() if name.startswith(f"{noun}:")]
        if of_noun:
            return frozenset().union(*of_noun)
    known = sorted({*_ALL, *(f"{name.partition(':')[0]}:*" for name in _ALL)})
    near = get_close_matches(pattern, known, n=1, cutoff=0.5)
    hint = f"the nearest is {near[0]!r}" if near else f"there are {', '.join(known)}"
    raise ValueError(f"{pattern!r} matches no permission; {hint}")


class RoleRule(Frozen):
    """What a role allows, in patterns."""

    permissions: tuple[str, ...] = Field(
        description="Patterns, such as `incidents:read`, `leases:*` or `*`; what none matches is denied."
    )
    description: str = Field(default="", description="Whom the role is for.")

    @field_validator("permissions")
    @classmethod
    def _that_match(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for pattern in value:
            matching(pattern)
        return value

    @property
    def allows(self) -> frozenset[Permission]:
        """Every permission that one of the patterns matches."""
        return frozenset().union(*(matching(pattern) for pattern in self.permissions))


ROLES: Mapping[str, RoleRule] = {
    Role.ADMIN: RoleRule(
        permissions=("system:*", "agents:*", "users:*"), description="Everything."
    ),
    Role.OPERATOR: RoleRule(
        permissions=("agents:read", "agents:execute", "tasks:*"),
        description="Handles incidents: decides asks, ends leases, pauses the runner.",
    ),
    Role.VIEWER: RoleRule(
        permissions=("agents:read", "tasks:read", "metrics:read", "pages:take"),
        description="Reads everything, changes nothing, and can take a page that was meant for them.",
    ),
    Role.API_USER: RoleRule(
        permissions=("api:execute", "tasks:create"),
        description="A program: reads incidents and the intake, and previews changes.",
    ),
}


@dataclass(frozen=True)
class RoleTable:
    """Which role allows what: the settings' roles over the ones there are anyway."""

    roles: Mapping[str, frozenset[Permission]] = field(
        default_factory=lambda: {name: rule.allows for name, rule in ROLES.items()}
    )

    @classmethod
    def of(cls, changed: Mapping[str, RoleRule]) -> Self:
        """The table with *changed* roles."""
        return cls({name: rule.allows for name, rule in {**ROLES, **changed}.items()})

    def allows(self, roles: Iterable[str], permission: Permission) -> bool:
        """Whether one of *roles* allows it; a role that nobody defined allows nothing."""
        return any(permission in self.roles.get(role, ()) for role in roles)

    def that_allow(self, permission: Permission) -> list[str]:
        """The roles that allow it, in the order they are listed."""
        return [str(role) for role, allowed in self.roles.items() if permission in allowed]


DEFAULT_TABLE = RoleTable()
