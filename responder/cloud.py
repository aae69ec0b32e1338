"""An account and region of AWS, as settings describe it: no secret is ever written here."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from responder.incident import Frozen, Name

InstanceId = Annotated[str, StringConstraints(pattern=r"^i-[0-9a-f]{8}(?:[0-9a-f]{9})?$")]
AccountId = Annotated[str, StringConstraints(pattern=r"^\d{12}$")]


class Cloud(Frozen):
    """
    One account of AWS in one region.

    Credentials come from boto3's own chain (environment, shared files, instance or container role)
    and, if a role is named, from assuming it with those.
    """

    name: Name = Field(description="What hosts and points call it.")
    account: AccountId = Field(
        description="The account's twelve digits; credentials of any other are refused."
    )
    region: str = Field(
        pattern=r"^[a-z]{2}(?:-[a-z]+)+-\d$", description="The region, such as `eu-central-1`."
    )
    role_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$",
        description="A role to assume; none: the credentials as they are.",
    )
    external_id: str | None = Field(
        default=None, description="The external id that the role's trust policy asks for."
    )
    endpoint_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="Another endpoint for every service: a VPC endpoint, or an emulator in tests.",
    )

    @property
    def partition(self) -> str:
        """The first part of this region's ARNs."""
        return {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(self.region.rsplit("-", 2)[0], "aws")


class Instance(Frozen):
    """Which virtual machine a host is."""

    cloud: Name = Field(description="The name of its account and region under `inventory.clouds`.")
    id: InstanceId = Field(description="Its instance id.")


class SnapshotVault(Frozen):
    """Where snapshots of volumes are copied to, out of reach of whoever holds the account."""

    cloud: Name = Field(description="The account and region of the copies.")
    key: str = Field(
        description="The KMS key (ARN or alias) there that the copies are encrypted with."
    )
    lock: Literal["governance", "compliance"] = Field(
        default="governance",
        description="How copies are locked; `compliance` cannot be taken back by anybody.",
    )
    lock_days: int = Field(default=90, ge=1, le=36500, description="How long they are locked.")
    cool_off_hours: int = Field(
        default=24, ge=1, le=72, description="How long a `compliance` lock may be taken back."
    )
    digest_up_to: int = Field(
        default=64,
        ge=0,
        description="GiB; larger volumes get no content digest, which the receipt then says.",
    )


def unnamed(clouds: Sequence[Cloud], asked: Iterable[tuple[str, str]]) -> list[str]:
    """
    What is wrong with the names of *clouds*, one line each.

    *asked* says who (a host, a point) is in a cloud of which name; an empty name is in none.
    """
    names = [cloud.name for cloud in clouds]
    known = ", ".join(names) or "none"
    return [
        *(
            f"two clouds are named {name}"
            for name in sorted({n for n in names if names.count(n) > 1})
        ),
        *(
            f"{who} is in the cloud {n}; known clouds: {known}"
            for who, n in asked
            if n and n not in names
        ),
    ]
