"""AWS under the contract, at an emulator behind a door that can be shut."""

import json
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, ClassVar

import pytest

from activities.access_keys import (
    CreateAccessKey,
    DeactivateAccessKey,
    DeleteAccessKey,
    QuarantineUser,
    RevokeRoleSessions,
    RevokeUserSessions,
)
from activities.aws import Aws
from activities.isolate import Isolate
from activities.kms_keys import RotateKmsKey
from activities.monitoring import RaiseMonitoring
from activities.providers.ec2_isolation import Ec2Isolation
from activities.providers.iam_keys import AccessKey, DeletedAccessKey, NewAccessKey
from activities.providers.iam_policies import (
    OLDER_SESSIONS,
    QUARANTINE,
    OlderSessions,
    UserQuarantine,
)
from activities.providers.kms import KmsKey
from activities.providers.vpc_flow_logs import VpcFlowLogs
from responder.cloud import Instance
from responder.contract import Action, Resource
from responder.crypto.keyring import KeyRing
from responder.monitoring import Vpc
from responder.secrets.contract import Stage, version_for
from responder.secrets.sealed import SealedSecrets
from tests.providers.aws.account import ACCOUNT
from tests.providers.aws.estate import build, described
from tests.providers.aws.server import Call, Door, Said
from tests.providers.contract.ground import Ground, Row, not_held

SECRET = "app/uploader"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


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


class OfAUser(AwsGround):
    """Something of one IAM user."""

    user: str

    async def make(self, request: pytest.FixtureRequest) -> None:
        self.user = f"uploader-{uuid.uuid4().hex[:8]}"
        self.iam.create_user(UserName=self.user)

    @property
    def iam(self) -> Any:
        """IAM as somebody else has it."""
        return self.colleague("iam")

    def key(self) -> str:
        """One more access key of the user's."""
        return str(self.iam.create_access_key(UserName=self.user)["AccessKey"]["AccessKeyId"])

    async def dump(self) -> object:
        keys = self.iam.list_access_keys(UserName=self.user)["AccessKeyMetadata"]
        names = self.iam.list_user_policies(UserName=self.user)["PolicyNames"]
        texts = [self.iam.get_user_policy(UserName=self.user, PolicyName=n) for n in names]
        return (
            sorted((one["AccessKeyId"], one["Status"]) for one in keys),
            [(one["PolicyName"], one["PolicyDocument"]) for one in texts],
        )

    async def forbidden(self) -> Resource[Any]:
        self.be(f"iam::{ACCOUNT}:user/{self.user}")
        return self.resource()


class DeactivatedKey(OfAUser):
    """An access key that is in use."""

    provider = "iam_keys"
    kind = DeactivateAccessKey
    action: DeactivateAccessKey

    async def make(self, request: pytest.FixtureRequest) -> None:
        await super().make(request)
        self.action = DeactivateAccessKey(
            cloud="prod", user=self.user, key=self.key(), lasts=timedelta(hours=1)
        )

    def resource(self) -> AccessKey:
        return AccessKey(self.aws, "prod", self.user, self.action.key)

    def _put(self, status: str) -> None:
        self.iam.update_access_key(UserName=self.user, AccessKeyId=self.action.key, Status=status)

    async def place(self) -> None:
        self._put("Inactive")

    async def take_away(self) -> None:
        self._put("Active")


class DeletedKey(OfAUser):
    """An access key that is out of use."""

    provider = "iam_keys"
    kind = DeleteAccessKey
    omits: ClassVar = not_held("a deleted key cannot come back")
    action: DeleteAccessKey

    async def make(self, request: pytest.FixtureRequest) -> None:
        await super().make(request)
        key = self.key()
        self.iam.update_access_key(UserName=self.user, AccessKeyId=key, Status="Inactive")
        self.action = DeleteAccessKey(cloud="prod", user=self.user, key=key)

    def resource(self) -> DeletedAccessKey:
        return DeletedAccessKey(self.aws, "prod", self.user, self.action.key)

    async def place(self) -> None:
        self.iam.delete_access_key(UserName=self.user, AccessKeyId=self.action.key)


class CreatedKey(OfAUser):
    """A user without any key, and a store for the new one."""

    provider = "iam_keys"
    kind = CreateAccessKey
    omits: ClassVar = {
        **not_held("a key that was made is deactivated and deleted by actions of their own"),
        Row.GUARD: "one more key shuts nobody out, so nobody has to be spared",
    }

    async def make(self, request: pytest.FixtureRequest) -> None:
        await super().make(request)
        ring, folder = KeyRing.fresh(), request.getfixturevalue("tmp_path") / "secrets"
        Path(folder).mkdir()
        self.store = SealedSecrets(folder, lambda: ring)
        self.version = version_for("IR-1", SECRET)
        self.action = CreateAccessKey(
            cloud="prod", user=self.user, secret=SECRET, version=self.version
        )

    def resource(self) -> NewAccessKey:
        return NewAccessKey(self.aws, "prod", self.user, self.store, SECRET, self.version)

    async def dump(self) -> object:
        return await super().dump(), await self.store.versions(SECRET)

    async def place(self) -> None:
        await self.resource().write(Stage.PENDING, key="theirs", until=None, tag="", record=None)


class QuarantinedUser(OfAUser):
    """A user with a policy of somebody else's."""

    provider = "iam_policies"
    kind: ClassVar[type[Action[Any]]] = QuarantineUser
    named = QUARANTINE

    async def make(self, request: pytest.FixtureRequest) -> None:
        await super().make(request)
        self._write("theirs", {"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
        self.action = QuarantineUser(cloud="prod", user=self.user)

    def _write(self, name: str, statement: dict[str, Any]) -> None:
        text = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.iam.put_user_policy(UserName=self.user, PolicyName=name, PolicyDocument=text)

    def resource(self) -> Resource[Any]:
        return UserQuarantine(self.aws, "prod", self.user)

    async def place(self) -> None:
        self._write(self.named, {"Effect": "Deny", "Action": "*", "Resource": "*"})

    async def take_away(self) -> None:
        self.iam.delete_user_policy(UserName=self.user, PolicyName=self.named)


class EndedUserSessions(QuarantinedUser):
    """Sessions made with a user's keys, of which somebody else ended some before us."""

    kind = RevokeUserSessions
    named = OLDER_SESSIONS

    async def make(self, request: pytest.FixtureRequest) -> None:
        await super().make(request)
        self.action = RevokeUserSessions(cloud="prod", user=self.user, before=datetime.now(UTC))

    def resource(self) -> Resource[Any]:
        return OlderSessions(self.aws, "prod", self.user, kind="user")

    async def place(self) -> None:
        earlier = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        await self.resource().write(earlier, key="theirs", until=None, tag="", record=None)


class EndedRoleSessions(AwsGround):
    """Sessions of a role."""

    provider = "iam_policies"
    kind = RevokeRoleSessions
    named = OLDER_SESSIONS
    role: str

    async def make(self, request: pytest.FixtureRequest) -> None:
        self.role = f"app-{uuid.uuid4().hex[:8]}"
        self.iam = self.colleague("iam")
        self.iam.create_role(RoleName=self.role, AssumeRolePolicyDocument=TRUST)
        self.action = RevokeRoleSessions(cloud="prod", role=self.role, before=datetime.now(UTC))

    def resource(self) -> OlderSessions:
        return OlderSessions(self.aws, "prod", self.role)

    async def dump(self) -> object:
        names = self.iam.list_role_policies(RoleName=self.role)["PolicyNames"]
        texts = [self.iam.get_role_policy(RoleName=self.role, PolicyName=n) for n in names]
        return [(one["PolicyName"], one["PolicyDocument"]) for one in texts]

    async def place(self) -> None:
        earlier = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        await self.resource().write(earlier, key="theirs", until=None, tag="", record=None)

    async def take_away(self) -> None:
        self.iam.delete_role_policy(RoleName=self.role, PolicyName=self.named)

    async def forbidden(self) -> Resource[Any]:
        self.be(f"sts::{ACCOUNT}:assumed-role/{self.role}/runner")
        return self.resource()


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
