"""Keys that are kept as versions in the secret store: a new one, its turn, and the end of an old one."""

from datetime import datetime, timedelta
from typing import ClassVar

from pydantic import Field

from activities.ssh_keys import Mode
from responder.contract import Action, Lookup
from responder.incident import Frozen, Indicators
from responder.policy.tiers import Tier
from responder.secrets.contract import SecretName, Stage, Version, VersionId


class KeyVersion(Action[Stage]):
    """
    What is common to changes of one version of one key: its state is the version's stage.

    Each is done once and held by nothing: a lease would take a key back that has been in use since.
    """

    reversible: ClassVar[bool] = False
    tier: ClassVar[Tier] = Tier.T2
    permissions: ClassVar[tuple[str, ...]] = (
        "sealed files: write the folder of the secret store",
        (
            "Secrets Manager: secretsmanager:DescribeSecret, ListSecretVersionIds, CreateSecret, "
            "PutSecretValue, UpdateSecretVersionStage"
        ),
    )
    d3fend: ClassVar[str] = "D3-CRO"  # Credential Rotation

    key: SecretName = Field(description="The key's name, as `key_rotation.keys` has it.")
    version: VersionId = Field(description="Which version; a new one is named before it is made.")
    mode: Mode = Field(default=Mode.PLANNED, description="Which order this is a step of.")

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.key,))


class AddKeyVersion(KeyVersion):
    """Make a new version of a key, which is published and not used yet."""

    def desired(self, before: Stage) -> Stage:
        return Stage.PENDING if before is Stage.ABSENT else before

    def __str__(self) -> str:
        return f"{self.mode}: make version {self.version[:8]} of {self.key}"


class PromoteKeyVersion(KeyVersion):
    """Have a version be the one in use; the one before it is accepted for its retention."""

    def desired(self, before: Stage) -> Stage:
        return Stage.CURRENT

    def __str__(self) -> str:
        return f"{self.mode}: use version {self.version[:8]} of {self.key} from now on"


class RevokeKeyVersion(KeyVersion):
    """Have nobody accept a version any longer, at once: what it signed or sealed is lost."""

    tier: ClassVar[Tier] = Tier.T3
    d3fend: ClassVar[str] = "D3-CR"  # Credential Revocation

    mode: Mode = Field(default=Mode.EMERGENCY, description="Which order this is a step of.")

    def desired(self, before: Stage) -> Stage:
        return before if before is Stage.DESTROYED else Stage.REVOKED

    def __str__(self) -> str:
        return f"{self.mode}: accept version {self.version[:8]} of {self.key} no longer"


class DestroyKeyVersion(KeyVersion):
    """Destroy a version whose retention is over, or which was revoked; any other is left as it is."""

    d3fend: ClassVar[str] = "D3-CR"  # Credential Revocation

    def desired(self, before: Stage) -> Stage:
        return Stage.DESTROYED

    def __str__(self) -> str:
        return f"{self.mode}: destroy version {self.version[:8]} of {self.key}"


class KeyFacts(Frozen):
    """A key and its versions; never a value."""

    name: str
    type: str
    retention: timedelta
    distribute: timedelta = Field(
        description="How long a new version is published before its turn."
    )
    versions: tuple[Version, ...] = ()

    @property
    def current(self) -> Version | None:
        """The version in use."""
        return next((one for one in self.versions if one.stage is Stage.CURRENT), None)

    def expired(self, now: datetime) -> tuple[Version, ...]:
        """Versions that were replaced longer ago than their retention."""
        return tuple(
            one
            for one in self.versions
            if one.stage is Stage.PREVIOUS
            and (until := one.kept_until(self.retention)) is not None
            and until <= now
        )


class ManagedKeys(Lookup[list[KeyFacts]]):
    """Which of some names are keys that this runner manages, with their versions."""

    names: tuple[str, ...] = Field(description="Names, such as the accounts of an incident.")

    def __str__(self) -> str:
        return f"managed keys among {', '.join(self.names) or 'none'}"
