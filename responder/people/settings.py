"""How people sign in, as settings; and what of roles, people and approver rules does not fit together."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints, model_validator

from responder.errors import StateError
from responder.incident import Frozen
from responder.people.approver_rights import ApproverRule
from responder.people.permissions import Permission, RoleRule, RoleTable
from responder.people.person import Person

# OpenID Connect needs TLS; a provider on this machine, for trying things out, does not.
Issuer = Annotated[
    str,
    StringConstraints(
        pattern=r"^(https://[^\s?#]+|http://(127\.0\.0\.1|localhost)(:\d+)?[^\s?#]*)$"
    ),
]


class Oidc(Frozen):
    """An OpenID Connect provider that people sign in with (authorization code flow with PKCE)."""

    issuer: Issuer = Field(
        description="The provider, exactly as its discovery document calls itself."
    )
    client_id: str = Field(min_length=1, description="What the provider calls this runner.")
    client_secret: SecretStr | None = Field(
        default=None, description="The client's secret; none: a public client, by PKCE alone."
    )
    client_secret_file: Path | None = Field(
        default=None, description="A file whose content is the client's secret."
    )
    scopes: tuple[str, ...] = Field(default=("openid",), description="What is asked for.")
    claim: str | None = Field(
        default=None,
        description="A claim of the ID token that is somebody's name in `people`. None: only people with "
        "`oidc` can sign in. With `email` it is compared with their `email`, and must be verified.",
    )
    second_factor: tuple[str, ...] = Field(
        default=("mfa", "hwk", "otp", "pop", "swk"),
        description="Values of `amr` (RFC 8176), or of `acr`, that say a second factor was asked for.",
    )
    second_factor_required: bool = Field(
        default=True, description="Refuse whoever the provider let in without one."
    )
    label: str = Field(default="Single sign-on", description="What the button says.")

    @model_validator(mode="after")
    def _one_secret(self) -> "Oidc":
        if self.client_secret is not None and self.client_secret_file is not None:
            raise ValueError("client_secret and client_secret_file: expected one of them")
        if "openid" not in self.scopes:
            raise ValueError("scopes: expected `openid` among them")
        return self

    def secret(self) -> str | None:
        """The client's secret, read anew so that a renewed file counts. Raises `StateError`."""
        if self.client_secret_file is None:
            return self.client_secret.get_secret_value() if self.client_secret else None
        try:
            return self.client_secret_file.read_text().strip()
        except OSError as error:
            raise StateError(
                f"login.oidc.client_secret_file: {self.client_secret_file} cannot be read: {error}"
            ) from error


class Login(Frozen):
    """How people sign in to the console."""

    session: timedelta = Field(
        default=timedelta(hours=1),
        ge=timedelta(minutes=5),
        le=timedelta(hours=12),
        description="How long a browser stays signed in, counted from the sign-in.",
    )
    passwords: bool = Field(
        default=True,
        description="Whether people with a password kept here may sign in, always with a second factor.",
    )
    tries: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Sign-ins one person, or one address, may try in a while.",
    )
    tries_within: timedelta = Field(
        default=timedelta(minutes=5), gt=timedelta(0), description="That while."
    )
    tries_a_minute: int = Field(
        default=60,
        ge=1,
        le=10_000,
        description="Sign-ins that may fail within a minute, of everybody together and for passwords and the "
        "provider each; more are turned away.",
    )
    oidc: Oidc | None = Field(default=None, description="None: nobody signs in by a provider.")


def faults(
    people: Sequence[Person], roles: Mapping[str, RoleRule], approvers: Sequence[ApproverRule]
) -> list[str]:
    """What would let somebody do less, or nobody do something, without anybody noticing."""
    table = RoleTable.of(roles)
    found = [
        f"people.{person.name}: there is no role {role}; there are {', '.join(table.roles)}"
        for person in people
        for role in person.roles
        if role not in table.roles
    ]
    subjects = [person.oidc for person in people if person.oidc]
    twice = sorted({one.subject for one in subjects if subjects.count(one) > 1})
    found += [f"two people are {subject} to the same OIDC provider" for subject in twice]
    deciding = [
        p for p in people if p.active and table.allows(p.roles, Permission.APPROVALS_DECIDE)
    ]
    found += [
        f"approvers.{number}: nobody in {' or '.join(rule.teams)} may decide asks, so such asks could "
        "not be approved by anybody"
        for number, rule in enumerate(approvers)
        if people and not any(team in person.teams for person in deciding for team in rule.teams)
    ]
    return found
