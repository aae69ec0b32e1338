"""
Flow logs of a VPC: one more of ours for all traffic, each minute, beside whatever there is.

A flow log cannot be changed, only made and deleted (Amazon VPC User Guide, "Work with flow logs"),
so ours is told by its tag, and only ours is ever deleted.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import JsonValue

from activities.aws import Answer, Aws
from activities.monitoring import Monitoring
from activities.profile import Profile, Proof
from responder.contract import Found
from responder.monitoring import Vpc

_TAG = "responder"
_MINUTE = (
    60  # seconds: the shorter of the two aggregation intervals (API Reference, CreateFlowLogs)
)

PERMISSIONS = (
    "ec2:DescribeFlowLogs",
    "ec2:CreateFlowLogs",
    "ec2:DeleteFlowLogs",
    "ec2:CreateTags",
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "iam:PassRole",
)
PROFILE = Profile(
    name="Amazon VPC flow logs",
    answers=("RaiseMonitoring",),
    changes="one more flow log, tagged as ours, of all traffic of a VPC each minute; those of others are not touched",
    permissions=PERMISSIONS,
    verified="the VPC's flow logs are described: one that is active, of all traffic, each minute, not failing",
    undone="our flow log is deleted; what it delivered stays. Nothing at AWS ends it: without the runner it stays",
    proof=Proof.EMULATOR,
    against="moto, which delivers nothing",
)


class VpcFlowLogs:
    """Whether all traffic of one VPC is logged each minute."""

    expires_by_itself = False

    def __init__(self, aws: Aws, vpc: Vpc) -> None:
        self._aws, self._vpc = aws, vpc
        self.name = f"flow-log/{vpc.name}"

    async def read(self) -> Found[Monitoring]:
        there = await self._there()
        raised = any(map(_is_thorough, there))
        ids: list[JsonValue] = [str(one["FlowLogId"]) for one in there if _is_ours(one)]
        return Found(state=Monitoring.RAISED if raised else Monitoring.NORMAL, record={"made": ids})

    async def write(
        self,
        state: Monitoring,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        there = await self._there()
        if state is Monitoring.NORMAL:
            if ours := [str(one["FlowLogId"]) for one in there if _is_ours(one)]:
                self._check(await self._aws.call("ec2", "delete_flow_logs", FlowLogIds=ours))
        elif not any(map(_is_thorough, there)):
            self._check(await self._make(key, tag))

    async def _there(self) -> Sequence[Answer]:
        named: Any = [{"Name": "resource-id", "Values": [self._vpc.id]}]
        found = await self._aws.pages("ec2", "describe_flow_logs", "FlowLogs", Filter=named)
        return sorted(found, key=lambda one: str(one["FlowLogId"]))

    async def _make(self, key: str, tag: str) -> Answer:
        vpc = self._vpc
        where: dict[str, Any] = (
            {"LogDestinationType": "s3", "LogDestination": vpc.bucket}
            if vpc.bucket
            else {
                "LogDestinationType": "cloud-watch-logs",
                "LogGroupName": vpc.log_group,
                "DeliverLogsPermissionArn": vpc.role_arn,
            }
        )
        tags = [{"Key": _TAG, "Value": tag}]
        return await self._aws.call(
            "ec2",
            "create_flow_logs",
            ClientToken=hashlib.sha256(f"{self.name} {key}".encode()).hexdigest(),
            ResourceType="VPC",
            ResourceIds=[vpc.id],
            TrafficType="ALL",
            MaxAggregationInterval=_MINUTE,
            TagSpecifications=[{"ResourceType": "vpc-flow-log", "Tags": tags}],
            **where,
        )

    def _check(self, answer: Answer) -> None:
        """These calls answer 200 also when nothing was done, and say so inside."""
        for failed in answer.get("Unsuccessful", ()):
            error = failed.get("Error", {})
            said = f"{error.get('Code')}: {error.get('Message')}"
            raise RuntimeError(f"{self.name}: {failed.get('ResourceId')}: {said}")


def _is_ours(log: Answer) -> bool:
    return any(tag.get("Key") == _TAG for tag in log.get("Tags", ()))


def _is_thorough(log: Answer) -> bool:
    """Whether a flow log, whoever made it, is delivered and leaves nothing out for long."""
    return (
        log.get("FlowLogStatus") == "ACTIVE"
        and log.get("TrafficType") == "ALL"
        and log.get("MaxAggregationInterval") == _MINUTE
        and log.get("DeliverLogsStatus") != "FAILED"
    )
