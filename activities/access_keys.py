"""AWS IAM: access keys of users, and what keeps a stolen one or its sessions from being used."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, Field, StringConstraints

from activities.ssh_keys import Mode
from responder.contract import Action, Lookup
from responder.incident import Frozen, Indicators, Name
from responder.policy.tiers import Tier
from responder.secrets.contract import SecretName, Stage, VersionId

# IAM User Guide, "IAM and AWS STS quotas": names of users and roles; ids of access keys.
User = Annotated[str, StringConstraints(pattern=r"^[\w+=,.@-]{1,64}$")]
KeyId = Annotated[str, StringConstraints(pattern=r"^AKIA[A-Z0-9]{12,124}$")]
# The same page: the longest that a role's session may last.
LONGEST_SESSION = timedelta(hours=12)
# The same page, "GetSessionToken" and "GetFederationToken": the longest that a user's session may last.
LONGEST_USER_SESSION = timedelta(hours=36)


def _whole_second(value: datetime) -> datetime:
    up = timedelta(seconds=1 if value.microsecond else 0)  # up: none of that second is spared
    return value.astimezone(UTC).replace(microsecond=0) + up


WholeSecond = Annotated[AwareDatetime, AfterValidator(_whole_second)]


class KeyStatus(StrEnum):
    """Whether an access key is accepted."""

    ABSENT = "absent"
    ACTIVE = "active"
    INACTIVE = "inactive"


class Quarantine(StrEnum):
    """Whether everything is denied to a user."""

    OPEN = "open"
    QUARANTINED = "quarantined"


class DeactivateAccessKey(Action[KeyStatus]):
    """Have AWS no longer accept one access key; its id stays for the trail, and it can be reactivated."""

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = ("iam:ListAccessKeys", "iam:UpdateAccessKey")
    d3fend: ClassVar[str] = "D3-CR"  # Credential Revocation

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: User = Field(description="Whose key it is.")
    key: KeyId = Field(description="The access key's id.")
    mode: Mode = Field(default=Mode.EMERGENCY, description="Which order this is a step of.")
    lasts: timedelta | None = Field(
        default=None, gt=timedelta(0), description="How long it is held; none: until it is ended."
    )

    def desired(self, before: KeyStatus) -> KeyStatus:
        return KeyStatus.INACTIVE

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.user,))

    def __str__(self) -> str:
        return f"{self.mode}: deactivate access key {self.key} of {self.user} in {self.cloud}"


class DeleteAccessKey(Action[KeyStatus]):
    """Delete an access key that is inactive already; an active one is left as it is."""

    reversible: ClassVar[bool] = False
    tier: ClassVar[Tier] = Tier.T3
    permissions: ClassVar[tuple[str, ...]] = ("iam:ListAccessKeys", "iam:DeleteAccessKey")
    d3fend: ClassVar[str] = "D3-CR"  # Credential Revocation

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: User = Field(description="Whose key it is.")
    key: KeyId = Field(description="The access key's id.")
    mode: Mode = Field(default=Mode.PLANNED, description="Which order this is a step of.")

    def desired(self, before: KeyStatus) -> KeyStatus:
        return KeyStatus.ABSENT

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.user,))

    def __str__(self) -> str:
        return f"{self.mode}: delete access key {self.key} of {self.user} in {self.cloud}"


class CreateAccessKey(Action[Stage]):
    """Make a new access key, once, and put it into the secret store; nobody else ever sees its secret."""

    reversible: ClassVar[bool] = False
    tier: ClassVar[Tier] = Tier.T3
    permissions: ClassVar[tuple[str, ...]] = (
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
        "iam:CreateAccessKey",
    )
    d3fend: ClassVar[str] = "D3-CRO"  # Credential Rotation

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: User = Field(description="Whose key it will be.")
    secret: SecretName = Field(description="Where in the secret store it is put.")
    version: VersionId = Field(description="As which version of that secret.")
    mode: Mode = Field(default=Mode.PLANNED, description="Which order this is a step of.")

    def desired(self, before: Stage) -> Stage:
        return Stage.PENDING if before is Stage.ABSENT else before

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.user,))

    def __str__(self) -> str:
        return f"{self.mode}: make an access key of {self.user} in {self.cloud} for {self.secret}"


class QuarantineUser(Action[Quarantine]):
    """Deny everything to a user, whatever key or session it comes with."""

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = (
        "iam:GetUser",
        "iam:GetUserPolicy",
        "iam:PutUserPolicy",
        "iam:DeleteUserPolicy",
    )
    d3fend: ClassVar[str] = "D3-AL"  # Account Locking

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: User = Field(description="Who is quarantined.")
    lasts: timedelta | None = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="How long it is held."
    )

    def desired(self, before: Quarantine) -> Quarantine:
        return Quarantine.QUARANTINED

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.user,))

    def __str__(self) -> str:
        return f"deny everything to {self.user} in {self.cloud}"


class RevokeRoleSessions(Action[datetime | None]):
    """
    Deny everything to the sessions of a role that were issued before a moment.

    It stops everybody who uses the role until they sign in again; those who do are not touched.
    """

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = (
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:PutRolePolicy",
        "iam:DeleteRolePolicy",
    )
    d3fend: ClassVar[str] = "D3-AL"  # Account Locking

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    role: User = Field(description="Whose sessions.")
    before: WholeSecond = Field(description="Sessions issued before this are denied everything.")
    lasts: timedelta | None = Field(
        default=LONGEST_SESSION,
        gt=timedelta(0),
        description="How long it is held; after 12 hours no such session is left.",
    )

    def desired(self, before: datetime | None) -> datetime | None:
        return self.before if before is None else max(before, self.before)

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.role,))

    def __str__(self) -> str:
        return f"end sessions of {self.role} in {self.cloud} from before {self.before:%Y-%m-%d %H:%M:%S%z}"


class RevokeUserSessions(Action[datetime | None]):
    """
    Deny everything to the sessions that were made with a user's keys before a moment.

    A session outlives the key that it was made with by up to 36 hours. What comes with a key itself
    carries no time of issue and is not touched.
    """

    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = (
        "iam:GetUser",
        "iam:GetUserPolicy",
        "iam:PutUserPolicy",
        "iam:DeleteUserPolicy",
    )
    d3fend: ClassVar[str] = "D3-ST"  # Session Termination

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: User = Field(description="Whose sessions.")
    before: WholeSecond = Field(description="Sessions issued before this are denied everything.")
    lasts: timedelta | None = Field(
        default=LONGEST_USER_SESSION,
        gt=timedelta(0),
        description="How long it is held; after 36 hours no such session is left.",
    )

    def desired(self, before: datetime | None) -> datetime | None:
        return self.before if before is None else max(before, self.before)

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.user,))

    def __str__(self) -> str:
        return f"end sessions of {self.user} in {self.cloud} from before {self.before:%Y-%m-%d %H:%M:%S%z}"


class KeyUse(Frozen):
    """An access key, and when and for what it was last used."""

    key: str
    status: KeyStatus
    made: datetime
    used: datetime | None = Field(
        default=None, description="None: never, as far as AWS tracked it."
    )
    service: str = ""
    region: str = ""

    def __str__(self) -> str:
        when = (
            f"last used {self.used:%Y-%m-%d %H:%M} for {self.service}"
            if self.used
            else "never used"
        )
        return f"{self.key} ({self.status}, {when})"


class AccessKeyUse(Lookup[list[KeyUse]]):
    """The access keys of a user with their last use, oldest first; AWS tells it with some delay."""

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: User = Field(description="Whose keys.")

    def __str__(self) -> str:
        return f"use of the access keys of {self.user} in {self.cloud}"


class AccessKeyFacts(Frozen):
    """An access key that is rotated, and what of it IAM and the secret store know; never its secret."""

    name: str = Field(description="Its secret's name.")
    cloud: str
    user: str
    quiet: timedelta
    check: timedelta
    give_up: timedelta
    keys: tuple[KeyUse, ...] = Field(default=(), description="All keys of the user, oldest first.")


class ManagedAccessKeys(Lookup[list[AccessKeyFacts]]):
    """Which of some names are users, or secrets of users, whose access keys are rotated here."""

    names: tuple[str, ...] = Field(description="Names, such as the accounts of an incident.")

    def __str__(self) -> str:
        return f"managed access keys among {', '.join(self.names) or 'none'}"


def cut_over(uses: Iterable[KeyUse], new: Iterable[str], quiet_since: datetime) -> bool:
    """
    Whether every new key was used and no other one since *quiet_since*.

    That is all that IAM tells: the last use of a key, by service and region, not who used it.
    """
    made = set(new)
    old = [one for one in uses if one.key not in made and one.status is KeyStatus.ACTIVE]
    fresh = [one for one in uses if one.key in made]
    return (
        len(fresh) == len(made)
        and all(one.used is not None for one in fresh)
        and all(one.used is None or one.used < quiet_since for one in old)
    )
