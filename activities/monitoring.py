"""Look more closely for a while: more is logged of a node, or of a network in a cloud."""

from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import Field, model_validator

from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier


class Monitoring(StrEnum):
    """How much is logged."""

    NORMAL = "normal"
    RAISED = "raised"


class RaiseMonitoring(Action[Monitoring]):
    """
    Log more of one node or one VPC; its state is whether that is done.

    It reads and cuts nothing off, so nobody is asked. It costs log space, and is therefore leased.
    """

    tier: ClassVar[Tier] = Tier.T0
    permissions: ClassVar[tuple[str, ...]] = (
        "nft -f",
        "nft list table",
        "sshd -T",
        "systemctl reload ssh",
        "ec2:DescribeFlowLogs",
        "ec2:CreateFlowLogs",
        "ec2:DeleteFlowLogs",
        "ec2:CreateTags",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "iam:PassRole",
    )
    d3fend: ClassVar[str] = "D3-NTA"  # Network Traffic Analysis

    host: Name | None = Field(default=None, description="The host's name in the inventory.")
    vpc: Name | None = Field(
        default=None, description="Or the name of a VPC under `inventory.monitoring.vpcs`."
    )
    lasts: timedelta | None = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="How long it is held."
    )

    @model_validator(mode="after")
    def _is_about_one_thing(self) -> "RaiseMonitoring":
        if (self.host is None) == (self.vpc is None):
            raise ValueError(f"expected host or vpc, found {self.host} and {self.vpc}")
        return self

    def desired(self, before: Monitoring) -> Monitoring:
        return Monitoring.RAISED

    def lapsed(self, state: Monitoring) -> Monitoring:
        return Monitoring.NORMAL

    def touches(self) -> Indicators:
        return Indicators(hosts=(self.host,) if self.host else ())

    def __str__(self) -> str:
        return f"raise monitoring of {self.host or f'VPC {self.vpc}'}"
