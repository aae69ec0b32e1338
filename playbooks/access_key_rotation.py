"""Access keys are rotated by plan: made, distributed, proved in use, and only then is the old one ended."""

from datetime import timedelta

from temporalio import workflow

from activities.access_keys import (
    AccessKeyFacts,
    CreateAccessKey,
    DeactivateAccessKey,
    DeleteAccessKey,
    KeyStatus,
    ManagedAccessKeys,
)
from activities.keys import PromoteKeyVersion
from activities.ssh_keys import Mode
from playbooks.key_steps import key_made, proved, why_not
from responder import Incident, Playbook
from responder.secrets.contract import version_for


@workflow.defn
class AccessKeyRotation(Playbook, answers="access_key_rotation"):
    """Make a key, wait until it is used and the old one is not, deactivate that, watch, delete it."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        for one in await self.look_up(ManagedAccessKeys(names=incident.accounts)):
            await self._rotate(one, version_for(incident.id, one.name))

    async def _rotate(self, one: AccessKeyFacts, version: str) -> None:
        cloud, user = one.cloud, one.user
        new = CreateAccessKey(cloud=cloud, user=user, secret=one.name, version=version)
        [made] = await self.do(new)
        if not (key := key_made(made)):
            why = why_not(made)
            await self.announce(f"no access key was made for {one.user}", why, loud=True)
            return
        await self.do(PromoteKeyVersion(key=one.name, version=version))
        if not (keys := await proved(self, one, key)):
            return
        old = [k.key for k in keys if k.key != key and k.status is KeyStatus.ACTIVE]
        window, mode = one.quiet + timedelta(days=2), Mode.PLANNED
        shut = [
            DeactivateAccessKey(cloud=cloud, user=user, key=k, mode=mode, lasts=window) for k in old
        ]
        await self.do(*shut)
        await workflow.sleep(one.quiet, summary="a watch: the old key can still be reactivated")
        await self.do(*(DeleteAccessKey(cloud=cloud, user=user, key=k) for k in old))
        await self.announce(f"access key of {one.user} rotated", f"deleted: {', '.join(old)}")
