"""Where evidence is kept, and where on a host it is looked for, as settings describe it."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from responder.incident import Frozen, Name

MIB = 1 << 20
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\x00\n]{0,1000}$")]


class InFolder(Frozen):
    """A folder of this machine; artefacts are sealed with the key ring `evidence`."""

    kind: Literal["folder"] = Field(default="folder", description="A folder of this machine.")
    path: Path | None = Field(
        default=None, description="The folder; none: `evidence` in the state folder."
    )


class InS3(Frozen):
    """
    An S3 bucket with Object Lock; nobody can delete or shorten there, also not its owner.

    The bucket seals what it holds (SSE-S3 or SSE-KMS); our key ring does not.
    """

    kind: Literal["s3"] = Field(description="An S3 bucket that was made with Object Lock.")
    cloud: Name = Field(
        description="The account and region, from `inventory.clouds`: one apart from what is watched."
    )
    bucket: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", description="The bucket.")
    prefix: str = Field(
        default="evidence/", pattern=r"^([A-Za-z0-9._-]+/)*$", description="What keys begin with."
    )
    retain_days: int = Field(
        gt=0, le=36500, description="Days of compliance-mode retention; it can never be shortened."
    )
    legal_hold: bool = Field(
        default=False,
        description="A legal hold on every object as well: no end until it is lifted.",
    )
    kms_key: str | None = Field(
        default=None, description="The KMS key (ARN) that seals; none: the bucket's default."
    )


class Scope(Frozen):
    """Where a collection looks on a host, and how much it takes."""

    roots: tuple[AbsolutePath, ...] = Field(
        default=("/",),
        min_length=1,
        description="Whose files' times are listed; mounts are not entered.",
    )
    temporary: tuple[AbsolutePath, ...] = Field(
        default=("/tmp", "/dev/shm", "/run"),  # noqa: S108 - where a suspect keeps things, not we
        description="Temporary file systems: lost at a restart, and in no snapshot of a disk.",
    )
    logs: tuple[AbsolutePath, ...] = Field(default=("/var/log",), description="Where logs are.")
    largest_artefact: int = Field(
        default=1024 * MIB, gt=0, description="Bytes that one artefact may have; the rest is left."
    )
    largest_memory: int = Field(
        default=256 * MIB, gt=0, description="Bytes of one process's memory that are read."
    )
    most_processes: int = Field(
        default=16, ge=0, description="Processes without an executable whose memory is read."
    )


class CloudLogSource(Frozen):
    """Which logs of an account and region are exported."""

    cloud: Name = Field(description="The account and region, from `inventory.clouds`.")
    cloudtrail: bool = Field(default=True, description="CloudTrail's event history.")
    flow_log_groups: tuple[
        Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_/.#-]{1,190}$")], ...
    ] = Field(default=(), description="CloudWatch Logs groups that VPC flow logs go to.")


class Evidence(Frozen):
    """Where evidence is kept, and where it is looked for."""

    vault: Annotated[InFolder | InS3, Field(discriminator="kind")] = Field(
        default=InFolder(), description="Where evidence is kept."
    )
    scope: Scope = Field(default=Scope(), description="What is looked at on hosts.")
    logs: tuple[CloudLogSource, ...] = Field(
        default=(), description="Accounts whose logs of a window are exported."
    )

    @property
    def clouds(self) -> list[tuple[str, str]]:
        """Which part of this is in which account."""
        vault = [("the vault", self.vault.cloud)] if isinstance(self.vault, InS3) else []
        return [*vault, *((f"evidence.logs {one.cloud}", one.cloud) for one in self.logs)]


class Vaulted(Frozen):
    """The same with what the state folder adds: filled in where the program is put together."""

    evidence: Evidence = Evidence()
    folder: Path = Path("evidence")
    ring: Path = Path("evidence.json")

    @classmethod
    def within(cls, evidence: Evidence, state: Path) -> "Vaulted":
        """*evidence* with the state folder's own places."""
        vault = evidence.vault
        named = vault.path if isinstance(vault, InFolder) else None
        folder = named.expanduser() if named else state / "evidence"
        return cls(evidence=evidence, folder=folder, ring=state / "keys" / "evidence.json")
