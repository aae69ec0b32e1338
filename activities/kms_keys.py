"""Keys of AWS KMS: new key material on demand, under the key's old name."""

from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import AwareDatetime, Field, field_validator

from activities.ssh_keys import Mode
from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier


class RotateKmsKey(Action[bool]):
    """
    Have a KMS key encrypt with new material; its state is whether that happened since a moment.

    What the old material encrypted goes on being decrypted by it: KMS ends no old material, so this is
    no answer to a key that others could use. AWS allows it for symmetric keys whose material it made.
    """

    reversible: ClassVar[bool] = False
    tier: ClassVar[Tier] = Tier.T3
    permissions: ClassVar[tuple[str, ...]] = (
        "kms:GetKeyRotationStatus",
        "kms:ListKeyRotations",
        "kms:RotateKeyOnDemand",
    )
    d3fend: ClassVar[str] = "D3-CRO"  # Credential Rotation

    cloud: Name = Field(description="The account, by its name under `inventory.clouds`.")
    key: str = Field(
        pattern=r"^[a-f0-9]{8}(-[a-f0-9]{4}){3}-[a-f0-9]{12}$|^mrk-[a-f0-9]{32}$",
        description="The key's id; an alias could come to mean another key.",
    )
    since: AwareDatetime = Field(
        description="A rotation after this counts: when the incident began."
    )
    mode: Mode = Field(default=Mode.PLANNED, description="Which order this is a step of.")

    @field_validator("since")
    @classmethod
    def _whole_seconds(cls, value: datetime) -> datetime:
        up = timedelta(seconds=1 if value.microsecond else 0)
        return value.astimezone(UTC).replace(microsecond=0) + up

    def desired(self, before: bool) -> bool:
        return True

    def touches(self) -> Indicators:
        return Indicators(accounts=(self.key,))

    def __str__(self) -> str:
        return f"{self.mode}: rotate KMS key {self.key} in {self.cloud}"
