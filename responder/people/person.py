"""Principals and their roles, as the settings name them."""

from collections.abc import Iterable, Iterator

from pydantic import Field, PrivateAttr

from responder.errors import Refused
from responder.incident import Frozen, Name
from responder.people.approver_rights import About, ApproverRule, objection
from responder.people.oncall import OnCall
from responder.people.permissions import DEFAULT_TABLE, Permission, Role, RoleName, RoleTable

__all__ = ["Directory", "OidcSubject", "Permission", "Person", "Role", "SlackUser"]


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


class OidcSubject(Frozen):
    """Who somebody is to an OIDC provider. An admin states it; an e-mail address proves nothing."""

    issuer: str = Field(
        pattern=r"^https?://[^\s]+$", description="The provider, exactly as it calls itself."
    )
    subject: str = Field(
        min_length=1, max_length=255, description="Its `sub` for them, which never changes."
    )


class Person(Frozen):
    """Somebody, or something, that can sign in, decide or be told."""

    name: Name = Field(description="The principal's unique name, such as `ana`.")
    roles: tuple[RoleName, ...] = Field(default=(Role.VIEWER,), description="What they may do.")
    teams: tuple[Name, ...] = Field(default=(), description="Where escalations find them.")
    email: str | None = Field(
        default=None, pattern=r"^[^@\s]+@[^@\s]+$", description="Where mail reaches them."
    )
    slack: SlackUser | None = Field(
        default=None, description="Who they are in Slack; none: Slack does nothing in their name."
    )
    oidc: OidcSubject | None = Field(
        default=None,
        description="Who they are to the OIDC provider; none: they cannot sign in there.",
    )
    active: bool = Field(default=True, description="False ends every right at once.")
    _table: RoleTable = PrivateAttr(default=DEFAULT_TABLE)
    _approvers: tuple[ApproverRule, ...] = PrivateAttr(default=())

    def may(self, permission: Permission) -> bool:
        """Whether one of their roles allows it, and they are active."""
        return self.active and self._table.allows(self.roles, permission)

    def must(self, permission: Permission) -> None:
        """Raises `Refused`, naming the roles that may, unless they may."""
        if not self.may(permission):
            roles = " or ".join(self._table.that_allow(permission)) or "none"
            why = f"the role {roles} may" if self.active else "they are not active"
            raise Refused(f"{self.name} may not {permission}; {why}")

    def may_not_approve(self, about: About) -> str | None:
        """Why they may not approve an ask like that one, as their teams go; None if they may."""
        return objection(self._approvers, self.teams, about)

    def under(self, table: RoleTable, approvers: tuple[ApproverRule, ...]) -> "Person":
        """This person under the settings' roles and approver rules."""
        changed = self.model_copy()
        changed._table, changed._approvers = table, approvers  # noqa: SLF001 - our own
        return changed


class Directory:
    """Everybody the settings know, and the rosters by which they are on call."""

    def __init__(
        self,
        people: Iterable[Person],
        roles: RoleTable = DEFAULT_TABLE,
        approvers: tuple[ApproverRule, ...] = (),
        oncall: OnCall | None = None,
    ) -> None:
        self.oncall = oncall or OnCall()
        self._people = {person.name: person.under(roles, approvers) for person in people}

    def __iter__(self) -> Iterator[Person]:
        return iter(self._people.values())

    def find(self, name: str) -> Person | None:
        """The person of that name."""
        return self._people.get(name)

    def of_subject(self, issuer: str, subject: str) -> Person | None:
        """Whom an OIDC provider calls that."""
        this = OidcSubject(issuer=issuer, subject=subject)
        return next((p for p in self._people.values() if p.oidc == this), None)

    def team(self, team: str) -> list[Person]:
        """The active members of *team*."""
        return [p for p in self._people.values() if p.active and team in p.teams]
