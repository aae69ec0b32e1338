"""Which account of AWS an action on IAM or KMS is about."""

from collections.abc import Mapping
from typing import Any

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    CreateAccessKey,
    DeactivateAccessKey,
    DeleteAccessKey,
    KeyUse,
    QuarantineUser,
    RevokeRoleSessions,
    RevokeUserSessions,
)
from activities.aws import Clouds
from activities.footholds import Footholds, Swept
from activities.kms_keys import RotateKmsKey
from activities.providers.iam_footholds import swept
from activities.providers.iam_keys import AccessKey, DeletedAccessKey, NewAccessKey, keys_of
from activities.providers.iam_policies import OlderSessions, UserQuarantine
from activities.providers.kms import KmsKey
from activities.secret_stores import open_store
from responder.contract import Resource
from responder.errors import Refused
from responder.inventory import Inventory

IamChange = (
    DeactivateAccessKey
    | DeleteAccessKey
    | CreateAccessKey
    | QuarantineUser
    | RevokeRoleSessions
    | RevokeUserSessions
    | RotateKmsKey
)


class Iam:
    """The resources of the actions on IAM and KMS, and the answer to `AccessKeyUse`."""

    def __init__(self, inventory: Inventory, clouds: Clouds) -> None:
        self._names = {cloud.name for cloud in inventory.clouds}
        self._clouds = clouds
        self._rotated = inventory.rotation.plan.access_keys
        self._store = open_store(inventory.rotation, inventory.clouds)

    def resolve(self, action: IamChange) -> Mapping[str, Resource[Any]]:
        """The account's resource. Raises `Refused` for an account that is not in the inventory."""
        self._check(str(action), action.cloud)
        return {action.cloud: self._at(action)}

    def _at(self, action: IamChange) -> Resource[Any]:
        aws = self._clouds.open(action.cloud)
        match action:
            case DeactivateAccessKey():
                return AccessKey(aws, action.cloud, action.user, action.key)
            case DeleteAccessKey():
                return DeletedAccessKey(aws, action.cloud, action.user, action.key)
            case CreateAccessKey():
                where = (self._store, action.secret, action.version)
                return NewAccessKey(aws, action.cloud, action.user, *where)
            case QuarantineUser():
                return UserQuarantine(aws, action.cloud, action.user)
            case RevokeRoleSessions():
                return OlderSessions(aws, action.cloud, action.role)
            case RevokeUserSessions():
                return OlderSessions(aws, action.cloud, action.user, kind="user")
            case RotateKmsKey():
                return KmsKey(aws, action.cloud, action.key, action.since)

    async def use(self, lookup: AccessKeyUse) -> list[KeyUse]:
        """The keys of a user with their last use."""
        self._check(str(lookup), lookup.cloud)
        return await keys_of(self._clouds.open(lookup.cloud), lookup.user)

    async def footholds(self, lookup: Footholds) -> Swept:
        """What a user, or somebody in its name, may have left to come back by."""
        self._check(str(lookup), lookup.cloud)
        return await swept(self._clouds.open(lookup.cloud), lookup.user, lookup.since)

    async def among(self, names: tuple[str, ...]) -> list[AccessKeyFacts]:
        """The access keys that are rotated here among *names*, in the settings' order."""
        return [
            AccessKeyFacts(
                name=one.name,
                cloud=one.cloud,
                user=one.user,
                quiet=one.quiet,
                check=one.check,
                give_up=one.give_up,
                keys=tuple(await keys_of(self._clouds.open(one.cloud), one.user)),
            )
            for one in self._rotated
            if one.name in names or one.user in names
        ]

    def _check(self, what: str, cloud: str) -> None:
        if cloud not in self._names:
            known = ", ".join(sorted(self._names)) or "none"
            raise Refused(
                f"{what}: expected an account of inventory.clouds ({known}), found {cloud}"
            )
