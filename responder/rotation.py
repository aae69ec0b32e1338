"""What is renewed by plan: keys, where their versions are kept, and when. Pure."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from responder.certificates import CertificateRotation
from responder.cron import Cron
from responder.incident import Category, Frozen, Name
from responder.secrets.contract import SecretName

ScheduleName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
SIZES: dict[str, tuple[int, ...]] = {"rsa": (2048, 3072, 4096), "aes": (128, 192, 256)}


class ManagedKey(Frozen):
    """A key whose versions are kept in the secret store."""

    name: SecretName = Field(description="Its name in the secret store.")
    type: Literal["rsa", "aes"] = Field(
        description="`rsa`: signs tokens, its public half is served at /.well-known/jwks.json; `aes`: "
        "encrypts data."
    )
    size: int = Field(description="Bits.")
    retention_period: timedelta = Field(
        gt=timedelta(0), description="How long a replaced version is still accepted: `90d`."
    )

    @model_validator(mode="after")
    def _of_a_known_size(self) -> "ManagedKey":
        if self.size not in SIZES[self.type]:
            raise ValueError(
                f"size: expected {SIZES[self.type]} bits for {self.type}, found {self.size}"
            )
        return self


class RotatedAccessKey(Frozen):
    """An access key of AWS that is rotated; the secret of this name holds the one in use."""

    name: SecretName = Field(description="Its name in the secret store, where its users read it.")
    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    user: str = Field(pattern=r"^[\w+=,.@-]{1,64}$", description="The IAM user.")
    quiet: timedelta = Field(
        default=timedelta(days=1),
        gt=timedelta(0),
        description="How long the old key must be unused, and the new one used, before the old is "
        "deactivated; as long again it is watched before it is deleted.",
    )
    check: timedelta = Field(
        default=timedelta(hours=1), gt=timedelta(0), description="How often its use is looked up."
    )
    give_up: timedelta = Field(
        default=timedelta(days=7),
        gt=timedelta(0),
        description="How long users have to change over before people are told that they did not.",
    )


class KeyRotation(Frozen):
    """Which keys are rotated by plan, and when."""

    schedule: str = Field(default="0 2 1 * *", description="When, as a crontab says it.")
    time_zone: str = Field(default="UTC", description="The schedule's time zone.")
    keys: tuple[ManagedKey, ...] = Field(default=(), description="The keys.")
    access_keys: tuple[RotatedAccessKey, ...] = Field(
        default=(), description="Access keys of AWS; each step of their rotation is asked."
    )
    distribute: timedelta = Field(
        default=timedelta(minutes=30),
        ge=timedelta(0),
        description="How long a new version is published before it is used; verifiers keep what they "
        "read for up to 10 minutes, so less is for verifiers that ask again about a key they do not know.",
    )

    approval: Literal["standing", "ask"] = Field(
        default="standing",
        description="`standing`: who writes this approves these rotations in advance; `ask`: two people "
        "approve each. An emergency is always asked.",
    )

    @property
    def standing(self) -> dict[str, tuple[str, ...]]:
        """The changes that are approved in advance: each leaves what was accepted accepted."""
        if self.approval == "ask":
            return {}
        names = tuple(key.name for key in self.keys)
        kinds = ("AddKeyVersion", "PromoteKeyVersion", "DestroyKeyVersion")
        return dict.fromkeys(kinds, names) if names else {}

    @model_validator(mode="after")
    def _whole(self) -> "KeyRotation":
        Cron(expression=self.schedule, time_zone=self.time_zone)
        names = [*(key.name for key in self.keys), *(key.name for key in self.access_keys)]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two keys are named {', '.join(twice)}")
        return self


class Schedule(Frozen):
    """An incident that is opened by plan."""

    name: ScheduleName = Field(description="Its name, also in Temporal.")
    cron: str = Field(description="When, as a crontab says it: `0 2 1 * *`.")
    time_zone: str = Field(default="UTC", description="The schedule's time zone.")
    category: Category = Field(description="Which playbook answers it.")
    what: tuple[Name, ...] = Field(min_length=1, description="What it is about, such as keys.")
    title: str = Field(default="", max_length=200, description="One line for people.")

    @property
    def due(self) -> Cron:
        """When it is due."""
        return Cron(expression=self.cron, time_zone=self.time_zone)

    @model_validator(mode="after")
    def _ever_due(self) -> "Schedule":
        Cron(expression=self.cron, time_zone=self.time_zone)
        return self


class SecretFiles(Frozen):
    """Secrets in sealed files of the state folder."""

    kind: Literal["file"] = Field(default="file", description="Sealed files.")


class SecretsManagerStore(Frozen):
    """Secrets in AWS Secrets Manager."""

    kind: Literal["aws"] = Field(default="aws", description="AWS Secrets Manager.")
    cloud: Name = Field(description="The account and region, by its name under `inventory.clouds`.")
    prefix: str = Field(
        default="responder/", pattern=r"^[A-Za-z0-9/_+=.@-]{0,64}$", description="Before each name."
    )


class KeyVaultStore(Frozen):
    """
    Secrets in Azure Key Vault; needs the extra `azure`.

    Credentials come from azure-identity's own chain (environment, workload or managed identity).
    """

    kind: Literal["azure"] = Field(default="azure", description="Azure Key Vault.")
    vault: str = Field(
        pattern=r"^https://[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?$",
        description="The vault's address, such as `https://example.vault.azure.net`.",
    )
    prefix: str = Field(
        default="responder--",
        pattern=r"^([a-z0-9][a-z0-9-]{0,31})?$",
        description="Before each name; `/` in a name is `--` in the vault.",
    )


Secrets = Annotated[SecretFiles | SecretsManagerStore | KeyVaultStore, Field(discriminator="kind")]


class Rotation(Frozen):
    """All of it, as the composition hands it to providers."""

    secrets: Secrets = SecretFiles()
    folder: Path = Field(default=Path("secrets"), description="The folder of the sealed files.")
    ring: Path = Field(default=Path("keys/secrets.json"), description="The ring that seals them.")
    plan: KeyRotation = KeyRotation()
    certificates: CertificateRotation = CertificateRotation()

    def key(self, name: str) -> ManagedKey | None:
        """The key of this name."""
        return next((key for key in self.plan.keys if key.name == name), None)

    def access_key(self, name: str) -> RotatedAccessKey | None:
        """The access key whose secret has this name."""
        return next((key for key in self.plan.access_keys if key.name == name), None)


def planned(
    rotation: KeyRotation,
    schedules: tuple[Schedule, ...],
    certificates: CertificateRotation | None = None,
) -> tuple[Schedule, ...]:
    """Every schedule there should be: the rotations' own, and those the settings list."""
    own: tuple[Schedule, ...] = ()
    if rotation.access_keys:
        made = Schedule(
            name="access-key-rotation",
            cron=rotation.schedule,
            time_zone=rotation.time_zone,
            category="access_key_rotation",
            what=tuple(key.name for key in rotation.access_keys),
            title="Planned rotation of access keys",
        )
        own = (made,)
    if rotation.keys:
        made = Schedule(
            name="key-rotation",
            cron=rotation.schedule,
            time_zone=rotation.time_zone,
            category="key_rotation",
            what=tuple(key.name for key in rotation.keys),
            title="Planned key rotation",
        )
        own = (*own, made)
    if certificates is not None and certificates.certificates:
        made = Schedule(
            name="certificate-rotation",
            cron=certificates.schedule,
            time_zone=certificates.time_zone,
            category="certificate_rotation",
            what=tuple(one.name for one in certificates.certificates),
            title="Planned renewal of certificates",
        )
        own = (*own, made)
    found = (*own, *schedules)
    names = [one.name for one in found]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ValueError(f"two schedules are named {', '.join(twice)}")
    return found
