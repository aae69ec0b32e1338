"""Access keys are rotated by plan: made, distributed, proved in use, and only then is the old one ended."""

from datetime import timedelta

from temporalio import workflow

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    CreateAccessKey,
    DeactivateAccessKey,
    DeleteAccessKey,
    KeyStatus,
    ManagedAccessKeys,
    cut_over,
)
from activities.keys import PromoteKeyVersion
from activities.ssh_keys import Mode
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
        record = made.points[0].record if made.verified else None
        if not isinstance(record, dict):
            said = "; ".join(point.said for point in made.points)
            await self.announce(f"no access key was made for {one.user}", said, loud=True)
            return
        await self.do(PromoteKeyVersion(key=one.name, version=version))
        give_up, ours = workflow.now() + one.give_up, [str(record["key"])]
        keys = await self.look_up(AccessKeyUse(cloud=cloud, user=user))
        while not cut_over(keys, ours, workflow.now() - one.quiet):
            if workflow.now() > give_up:
                said = "; ".join(map(str, keys))
                await self.announce(f"{one.user} still uses an old access key", said, loud=True)
                return
            await workflow.sleep(one.check, summary=f"until {one.user} uses the new key only")
            keys = await self.look_up(AccessKeyUse(cloud=cloud, user=user))
        old = [k.key for k in keys if k.key not in ours and k.status is KeyStatus.ACTIVE]
        window, mode = one.quiet + timedelta(days=2), Mode.PLANNED
        shut = [
            DeactivateAccessKey(cloud=cloud, user=user, key=k, mode=mode, lasts=window) for k in old
        ]
        await self.do(*shut)
        await workflow.sleep(one.quiet, summary="a watch: the old key can still be reactivated")
        await self.do(*(DeleteAccessKey(cloud=cloud, user=user, key=k) for k in old))
        await self.announce(f"access key of {one.user} rotated", f"deleted: {', '.join(old)}")
