"""What is logged, and where to, while monitoring is raised, as settings describe it."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from responder.incident import Frozen, Name

VpcId = Annotated[str, StringConstraints(pattern=r"^vpc-[0-9a-f]{8}(?:[0-9a-f]{9})?$")]


class Vpc(Frozen):
    """A network of AWS, and where its flow logs would go: a log group, or a bucket."""

    name: Name = Field(description="What playbooks call it.")
    cloud: Name = Field(description="The name of its account and region under `inventory.clouds`.")
    id: VpcId = Field(description="Its id.")
    log_group: str | None = Field(default=None, description="A CloudWatch Logs log group.")
    role_arn: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$",
        description="The role that may write to the log group.",
    )
    bucket: str | None = Field(
        default=None,
        pattern=r"^arn:aws[a-z-]*:s3:::.+$",
        description="Instead of them, the ARN of a bucket, with a folder if one is wanted.",
    )

    @model_validator(mode="after")
    def _goes_to_one_place(self) -> "Vpc":
        if (self.log_group is None) == (self.bucket is None):
            raise ValueError(f"{self.name}: expected one of log_group and bucket")
        if (self.log_group is None) != (self.role_arn is None):
            raise ValueError(f"{self.name}: expected role_arn with log_group, and only with it")
        return self


class MonitoringSettings(Frozen):
    """What raised monitoring logs."""

    flows_per_second: int = Field(
        default=50, ge=1, le=10_000, description="New flows of a host that are logged in a second."
    )
    nflog_group: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Log them to this netlink group, where ulogd or tcpdump reads; none: to the "
        "kernel's log.",
    )
    sshd: bool = Field(
        default=False,
        description="Have sshd log sign-ins in detail as well, by a drop-in file of ours and a reload.",
    )
    vpcs: tuple[Vpc, ...] = Field(default=(), description="Networks of AWS.")

    def vpc(self, name: str) -> Vpc | None:
        """The VPC of this name."""
        return next((vpc for vpc in self.vpcs if vpc.name == name), None)
