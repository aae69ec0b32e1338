"""
Access keys of IAM users.

Deactivated is what a read-back of the key's status says. AWS takes some time until every region
refuses the key, and a status is not a refusal: a watch on its last use has to follow.
"""

import json
from datetime import datetime
from typing import Any

from pydantic import JsonValue, SecretBytes

from activities.access_keys import KeyStatus, KeyUse
from activities.aws import Aws, AwsError
from activities.profile import Profile, Proof
from responder.contract import Found
from responder.errors import Drifted
from responder.secrets.contract import SecretStore, Stage

MOST_KEYS = 2  # IAM User Guide, "IAM and AWS STS quotas": access keys assigned to a user
_GONE = "NoSuchEntity"

PROFILES = (
    Profile(
        name="AWS IAM",
        answers=("DeactivateAccessKey",),
        changes="the status of one access key; never one of the runner's own user",
        permissions=("iam:ListAccessKeys", "iam:UpdateAccessKey"),
        verified="IAM lists the key as inactive; that a call with it fails is not tried",
        undone="the key is activated again, unless it was deleted. Nothing at AWS ends it: without the runner it stays",
        proof=Proof.EMULATOR,
        against="moto, which goes on accepting an inactive key",
    ),
    Profile(
        name="AWS IAM",
        answers=("DeleteAccessKey",),
        changes="one access key, if it is inactive, is deleted",
        permissions=("iam:ListAccessKeys", "iam:DeleteAccessKey"),
        verified="IAM no longer lists the key",
        undone="not: a deleted key cannot come back",
        proof=Proof.EMULATOR,
        against="moto",
    ),
    Profile(
        name="AWS IAM",
        answers=("CreateAccessKey",),
        changes="one more access key of a user that has less than two; its secret goes into the secret store and "
        "nowhere else",
        permissions=(
            "iam:ListAccessKeys",
            "iam:GetAccessKeyLastUsed",
            "iam:CreateAccessKey",
            "and what the secret store needs to add a version",
        ),
        verified="the version is in the secret store, and its key's id is shown",
        undone="not: it is deactivated and deleted by actions of their own",
        proof=Proof.EMULATOR,
        against="moto, with sealed files as the secret store",
    ),
)


async def keys_of(aws: Aws, user: str) -> list[KeyUse]:
    """The keys of *user* with their last use, oldest first; none if there is no such user."""
    found = []
    for row in await listed(aws, user):
        created: Any = row["CreateDate"]
        answer = await aws.call("iam", "get_access_key_last_used", AccessKeyId=row["AccessKeyId"])
        last = answer.get("AccessKeyLastUsed", {})
        service, region = (last.get(name, "N/A") for name in ("ServiceName", "Region"))
        use = KeyUse(
            key=row["AccessKeyId"],
            status=KeyStatus(row["Status"].lower()),
            made=created,
            used=last.get("LastUsedDate"),
            service="" if service == "N/A" else service,
            region="" if region == "N/A" else region,
        )
        found.append(use)
    return sorted(found, key=lambda one: (one.made, one.key))


async def listed(aws: Aws, user: str) -> list[dict[str, str]]:
    """The keys of *user* as IAM lists them."""
    try:
        return await aws.pages("iam", "list_access_keys", "AccessKeyMetadata", UserName=user)
    except AwsError as error:
        if error.code == _GONE:
            return []
        raise


class AccessKey:
    """Whether one access key of one user is accepted; one that is deleted is not."""

    expires_by_itself = False

    def __init__(self, aws: Aws, cloud: str, user: str, key: str) -> None:
        self._aws = aws
        self._user = user
        self._which: dict[str, Any] = {"UserName": user, "AccessKeyId": key}
        self.name = f"access-key/{cloud}/{user}/{key}"

    async def read(self) -> Found[KeyStatus]:
        found = await self.status()
        return Found(state=KeyStatus.INACTIVE if found is KeyStatus.ABSENT else found)

    async def status(self) -> KeyStatus:
        """What IAM lists it as."""
        for row in await listed(self._aws, self._user):
            if row["AccessKeyId"] == self._which["AccessKeyId"]:
                return KeyStatus(row["Status"].lower())
        return KeyStatus.ABSENT

    async def write(
        self,
        state: KeyStatus,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        found = await self.status()
        if found is state:
            return
        if found is KeyStatus.ABSENT:
            raise Drifted(
                f"{self.name}: expected it inactive, found it deleted: it cannot come back"
            )
        await self.check_not_ours()
        status = state.value.capitalize()
        await self._aws.call("iam", "update_access_key", **self._which, Status=status)

    async def delete(self) -> None:
        """Delete it, if it is inactive."""
        found = await self.status()
        if found is KeyStatus.ACTIVE:
            raise RuntimeError(f"{self.name}: expected it inactive, found {found}; not deleted")
        if found is KeyStatus.INACTIVE:
            await self.check_not_ours()
            await self._aws.call("iam", "delete_access_key", **self._which)

    async def check_not_ours(self) -> None:
        """Raise for the runner's own user: it could undo nothing any more."""
        own = await self._aws.call("sts", "get_caller_identity")
        if str(own.get("Arn", "")).endswith(f":user/{self._user}"):
            raise RuntimeError(
                f"{self.name}: {self._user} is the runner itself; nothing was changed"
            )


class DeletedAccessKey:
    """
    Whether one access key is there at all.

    Another resource than whether it is accepted: what holds that a key is inactive goes on holding
    it, and is told at its end that there is nothing to give back.
    """

    expires_by_itself = False

    def __init__(self, aws: Aws, cloud: str, user: str, key: str) -> None:
        self._key = AccessKey(aws, cloud, user, key)
        self.name = f"deleted-access-key/{cloud}/{user}/{key}"

    async def read(self) -> Found[KeyStatus]:
        return Found(state=await self._key.status())

    async def write(
        self,
        state: KeyStatus,
        *,
        key: str,
        until: datetime | None,
        tag: str,
        record: JsonValue = None,
    ) -> None:
        if state is not KeyStatus.ABSENT:
            raise RuntimeError(f"{self.name}: nothing here makes a key {state}")
        await self._key.delete()


class NewAccessKey:
    """
    One version of a secret that holds a new access key of one user.

    IAM knows no token for making a key, so it is asked once. If its answer is lost there is a key
    whose secret nobody has: it is named, and neither used nor deleted.
    """

    expires_by_itself = False

    def __init__(
        self, aws: Aws, cloud: str, user: str, store: SecretStore, secret: str, version: str
    ) -> None:
        self._aws = aws
        self._user = user
        self._store = store
        self._secret = secret
        self._version = version
        self.name = f"new-access-key/{cloud}/{user}/{version}"

    async def read(self) -> Found[Stage]:
        for one in await self._store.versions(self._secret):
            if one.id == self._version:
                kept = (await self._store.get(self._secret, one.id)).get_secret_value()
                return Found(
                    state=one.stage,
                    record={"version": one.id, "key": json.loads(kept)["AccessKeyId"]},
                )
        keys = sorted(row["AccessKeyId"] for row in await listed(self._aws, self._user))
        return Found(state=Stage.ABSENT, record={"keys": [*keys]})

    async def write(
        self, state: Stage, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if state is not Stage.PENDING:
            raise RuntimeError(f"{self.name}: nothing here makes a version {state}")
        if (await self.read()).state is not Stage.ABSENT:
            return
        found = await keys_of(self._aws, self._user)
        known = record.get("keys") if isinstance(record, dict) else None
        if isinstance(known, list) and (new := [one for one in found if one.key not in known]):
            raise RuntimeError(
                f"{self.name}: {'; '.join(map(str, new))} was made since the plan, perhaps by an attempt "
                "whose answer was lost; its secret is in no store of ours: delete it, then ask again"
            )
        if len(found) >= MOST_KEYS:
            raise RuntimeError(
                f"{self.name}: expected fewer than {MOST_KEYS} keys, found {'; '.join(map(str, found))}; "
                "delete the one that is not needed, then ask again; nothing was changed"
            )
        made = await self._aws.call("iam", "create_access_key", once=True, UserName=self._user)
        fields = {n: made["AccessKey"][n] for n in ("AccessKeyId", "SecretAccessKey")}
        value = SecretBytes(json.dumps(fields).encode())
        await self._store.put(self._secret, self._version, value)
