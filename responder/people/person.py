"""Principals and their roles, as the settings name them."""

from collections.abc import Iterable, Iterator
from enum import StrEnum

from pydantic import Field

from responder.incident import Frozen, Name


class Role(StrEnum):
    """What a principal may do; a principal may have several."""

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
    PEOPLE_WRITE = "people:write"
    INTAKE_READ = "intake:read"


PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.ADMIN: frozenset(Permission),
    Role.OPERATOR: frozenset(
        {
            Permission.INCIDENTS_READ,
            Permission.INCIDENTS_WRITE,
            Permission.APPROVALS_DECIDE,
            Permission.LEASES_WRITE,
            Permission.PLANS_DRAW,
            Permission.PAGES_TAKE,
            Permission.ONCALL_WRITE,
            Permission.AUDIT_READ,
            Permission.RUNNER_PAUSE,
            Permission.INTAKE_READ,
        }
    ),
    Role.VIEWER: frozenset(
        {
            Permission.INCIDENTS_READ,
            Permission.AUDIT_READ,
            Permission.INTAKE_READ,
            Permission.PAGES_TAKE,
        }
    ),
    Role.API_USER: frozenset({Permission.INCIDENTS_READ, Permission.INTAKE_READ}),
}


class SlackUser(Frozen):
    """Who somebody is in Slack. An admin states it; an e-mail address or a display name proves nothing."""

    team: str = Field(
        pattern=r"^[TE][A-Z0-9]{2,20}$", description="The workspace, such as T0123ABCD."
    )
    user: str = Field(pattern=r"^[UW][A-Z0-9]{2,20}$", description="The user, such as U0123ABCD.")
    enterprise: str = Field(
        default="",
        pattern=r"^(E[A-Z0-9]{2,20})?$",
        description="The organisation, in Enterprise Grid.",
    )


class Person(Frozen):
    """Somebody, or something, that can sign in, decide or be told."""

    name: Name = Field(description="The principal's unique name, such as `ana`.")
    roles: tuple[Role, ...] = Field(default=(Role.VIEWER,), description="What they may do.")
    teams: tuple[Name, ...] = Field(default=(), description="Where escalations find them.")
    email: str | None = Field(
        default=None, pattern=r"^[^@\s]+@[^@\s]+$", description="Where mail reaches them."
    )
    slack: SlackUser | None = Field(
        default=None, description="Who they are in Slack; none: Slack does nothing in their name."
    )
    active: bool = Field(default=True, description="False ends every right at once.")

    def may(self, permission: Permission) -> bool:
        """Whether one of their roles allows it, and they are active."""
        return self.active and any(permission in PERMISSIONS[role] for role in self.roles)


class Directory:
    """Everybody the settings know."""

    def __init__(self, people: Iterable[Person]) -> None:
        self._people = {person.name: person for person in people}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def find(self, name: str) -> Person | None:
        """The person of that name."""
        return self._people.get(name)

    def team(self, team: str) -> list[Person]:
        """The active members of *team*."""
        return [p for p in self._people.values() if p.active and team in p.teams]
