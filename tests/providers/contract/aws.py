"""AWS under the contract, at an emulator behind a door that can be shut."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import Any, ClassVar

import pytest

from activities.aws import Aws
from activities.block import Block
from activities.isolate import Isolate
from activities.kms_keys import RotateKmsKey
from activities.monitoring import RaiseMonitoring
from activities.providers.ec2_isolation import Ec2Isolation
from activities.providers.kms import KmsKey
from activities.providers.security_groups import SecurityGroupBlock
from activities.providers.vpc_flow_logs import VpcFlowLogs
from responder.cloud import Instance
from responder.cloud_points import SecurityGroupPoint
from responder.contract import Resource
from responder.monitoring import Vpc
from tests.providers.aws.estate import build, described
from tests.providers.aws.server import Call, Door, Said
from tests.providers.aws.test_security_groups import allow, rules
from tests.providers.contract.ground import Ground, Row, not_held

ATTACKER = ip_network("203.0.113.9")


class AwsGround(Ground):
    """Something in an account."""

    aws: Aws
    way: Door
    colleague: Callable[[str], Any]

    async def open(self, request: pytest.FixtureRequest) -> None:
        self.aws = request.getfixturevalue("aws")
        self.way = request.getfixturevalue("way")
        self.colleague = request.getfixturevalue("colleague")
        await self.make(request)

    async def make(self, request: pytest.FixtureRequest) -> None:
        """Make the thing itself."""
        raise NotImplementedError

    async def silence(self) -> None:
        self.way.answering.append(_expired)

    async def mend(self) -> None:
        self.way.answering.clear()

    def be(self, who: str) -> None:
        """Have AWS say that the runner itself is *who*."""
        said = f"<GetCallerIdentityResult><Arn>arn:aws:{who}</Arn></GetCallerIdentityResult>"
        body = f'<R xmlns="https://sts.amazonaws.com/doc/2011-06-15/">{said}</R>'.encode()

        def identity(call: Call) -> Said | None:
            return (200, "text/xml", body) if call.operation == "GetCallerIdentity" else None

        self.way.answering.append(identity)


def _expired(call: Call) -> Said:
    """What AWS says to credentials that have expired: what it holds cannot be known then."""
    if call.service == "kms":
        return 400, "application/x-amz-json-1.1", b'{"__type": "ExpiredTokenException"}'
    body = b"<Error><Code>ExpiredToken</Code></Error>"
    if call.service == "ec2":
        return 400, "text/xml", b"<Response><Errors>" + body + b"</Errors></Response>"
    return 400, "text/xml", b"<ErrorResponse>" + body + b"</ErrorResponse>"


class RotatedKmsKey(AwsGround):
    """A key of KMS."""

    provider = "kms"
    kind = RotateKmsKey
    omits: ClassVar = {
        **not_held("what the new material encrypted needs it: a rotation is not taken back"),
        Row.GUARD: "what the old material encrypted goes on being decrypted: nobody is shut out",
    }

    async def make(self, request: pytest.FixtureRequest) -> None:
        self.key = str(self.colleague("kms").create_key()["KeyMetadata"]["KeyId"])
        since = datetime.now(UTC) - timedelta(seconds=2)
        self.action = RotateKmsKey(cloud="prod", key=self.key, since=since)
        self.since = self.action.since

    def resource(self) -> KmsKey:
        return KmsKey(self.aws, "prod", self.key, self.since)

    async def dump(self) -> object:
        return self.colleague("kms").list_key_rotations(KeyId=self.key)["Rotations"]

    async def place(self) -> None:
        self.colleague("kms").rotate_key_on_demand(KeyId=self.key)


class LoggedVpc(AwsGround):
    """A VPC with a flow log of somebody else's that is not enough."""

    provider = "vpc_flow_logs"
    kind = RaiseMonitoring
    omits: ClassVar = {Row.GUARD: "a log decides about no packet: nobody has to be spared"}

    async def make(self, request: pytest.FixtureRequest) -> None:
        ec2 = self.colleague("ec2")
        made = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        role = "arn:aws:iam::123456789012:role/flow-logs"
        for whose in ("ours", "REJECT", "ALL"):
            self.colleague("logs").create_log_group(logGroupName=f"{whose}-{made}")
        self.vpc = Vpc(name="vpc", cloud="prod", id=made, log_group=f"ours-{made}", role_arn=role)
        self._theirs("REJECT", 600)
        self.action = RaiseMonitoring(vpc="vpc")

    def _theirs(self, traffic: str, seconds: int) -> None:
        self.colleague("ec2").create_flow_logs(
            ResourceType="VPC",
            ResourceIds=[self.vpc.id],
            TrafficType=traffic,
            MaxAggregationInterval=seconds,
            LogDestinationType="cloud-watch-logs",
            LogGroupName=f"{traffic}-{self.vpc.id}",
            DeliverLogsPermissionArn=self.vpc.role_arn,
        )

    def resource(self) -> VpcFlowLogs:
        return VpcFlowLogs(self.aws, self.vpc)

    def _listed(self) -> list[dict[str, Any]]:
        named = [{"Name": "resource-id", "Values": [self.vpc.id]}]
        return list(self.colleague("ec2").describe_flow_logs(Filters=named)["FlowLogs"])

    async def dump(self) -> object:
        return sorted(self._listed(), key=lambda one: str(one["FlowLogId"]))

    async def place(self) -> None:
        self._theirs("ALL", 60)

    async def take_away(self) -> None:
        ours = [str(one["FlowLogId"]) for one in self._listed() if one.get("Tags")]
        self.colleague("ec2").delete_flow_logs(FlowLogIds=ours)


class IsolatedInstance(AwsGround):
    """An instance with two interfaces, behind balancers and in a scaling group."""

    provider = "ec2_isolation"
    kind = Isolate

    async def make(self, request: pytest.FixtureRequest) -> None:
        self.estate = await build(self.aws)
        self.action = Isolate(host="web")

    def _at(self, address: str) -> Ec2Isolation:
        instance = Instance(cloud="prod", id=self.estate.instance)
        return Ec2Isolation(self.aws, "web", instance, [ip_address(address)], ())

    def resource(self) -> Ec2Isolation:
        return self._at(self.estate.private)

    async def dump(self) -> object:
        return await described(self.aws, self.estate)

    async def place(self) -> None:
        found = await self.resource().read()
        state = self.action.desired(found.state)
        await self.resource().write(
            state, key="theirs", until=None, tag="CHG-7", record=found.record
        )

    async def take_away(self) -> None:
        self.colleague("ec2").modify_network_interface_attribute(
            NetworkInterfaceId=self.estate.interfaces[0], Groups=self.estate.groups[:1]
        )

    async def forbidden(self) -> Resource[Any]:
        return self._at("198.51.100.77")  # the id has come to mean another machine


class RevokedRules(AwsGround):
    """A security group with a rule for the attacker, and one for others; AWS gives rules new ids."""

    provider = "security_groups"
    kind = Block
    action = Block(network=ATTACKER, lasts=timedelta(hours=1))

    async def make(self, request: pytest.FixtureRequest) -> None:
        ec2 = self.colleague("ec2")
        vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
        made = ec2.create_security_group(GroupName="web", Description="web", VpcId=vpc)
        self.point = SecurityGroupPoint(name="point", cloud="prod", group=made["GroupId"])
        await allow(self.aws, self.point.group, "198.51.100.0/24", 443, "the office")
        await self.take_away()

    def resource(self) -> SecurityGroupBlock:
        return SecurityGroupBlock(self.aws, ATTACKER, self.point)

    async def dump(self) -> object:
        return await rules(self.aws, self.point.group)

    async def place(self) -> None:
        found = await self.resource().read()
        await self.resource().write(
            True, key="theirs", until=None, tag="CHG-7", record=found.record
        )

    async def take_away(self) -> None:
        await allow(self.aws, self.point.group, str(ATTACKER), 22, "a contractor", owner="ana")

    async def forbidden(self) -> SecurityGroupBlock:
        await allow(self.aws, self.point.group, "0.0.0.0/0", 80)  # for whom the rule is as well
        return self.resource()
