"""AWS IAM under the contract: users, roles and keys of an emulator."""

import json
import uuid
from datetime import UTC, datetime, timedelta
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
from activities.providers.iam_keys import AccessKey, DeletedAccessKey, NewAccessKey
from activities.providers.iam_policies import (
    OLDER_SESSIONS,
    QUARANTINE,
    OlderSessions,
    UserQuarantine,
)
from responder.contract import Action, Resource
from responder.crypto.keyring import KeyRing
from responder.secrets.contract import Stage, version_for
from responder.secrets.sealed import SealedSecrets
from tests.providers.aws.account import ACCOUNT
from tests.providers.contract.aws import AwsGround
from tests.providers.contract.ground import Row, not_held

SECRET = "app/uploader"
TRUST = json.dumps({"Version": "2012-10-17", "Statement": []})


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
    which: str

    async def make(self, request: pytest.FixtureRequest) -> None:
        await super().make(request)
        self.which = self.key()
        self.action = DeactivateAccessKey(
            cloud="prod", user=self.user, key=self.which, lasts=timedelta(hours=1)
        )

    def resource(self) -> AccessKey:
        return AccessKey(self.aws, "prod", self.user, self.which)

    def _put(self, status: str) -> None:
        self.iam.update_access_key(UserName=self.user, AccessKeyId=self.which, Status=status)

    async def place(self) -> None:
        self._put("Inactive")

    async def take_away(self) -> None:
        self._put("Active")


class DeletedKey(OfAUser):
    """An access key that is out of use."""

    provider = "iam_keys"
    kind = DeleteAccessKey
    omits: ClassVar = not_held("a deleted key cannot come back")
    which: str

    async def make(self, request: pytest.FixtureRequest) -> None:
        await super().make(request)
        self.which = self.key()
        self.iam.update_access_key(UserName=self.user, AccessKeyId=self.which, Status="Inactive")
        self.action = DeleteAccessKey(cloud="prod", user=self.user, key=self.which)

    def resource(self) -> DeletedAccessKey:
        return DeletedAccessKey(self.aws, "prod", self.user, self.which)

    async def place(self) -> None:
        self.iam.delete_access_key(UserName=self.user, AccessKeyId=self.which)


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
