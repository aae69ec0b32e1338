"""A credential is in other hands: it is shut out first, and service is restored after that."""

from datetime import timedelta

from temporalio import workflow

from activities.access_keys import (
    AccessKeyFacts,
    AccessKeyUse,
    CreateAccessKey,
    DeactivateAccessKey,
    KeyStatus,
    ManagedAccessKeys,
)
from activities.keys import AddKeyVersion, ManagedKeys, PromoteKeyVersion, RevokeKeyVersion
from activities.ssh_keys import Mode
from responder import Incident, Playbook
from responder.secrets.contract import version_for

WATCH = timedelta(minutes=30)  # as long as AWS IRP-CredCompromise 2.0 watches


@workflow.defn
class CredentialCompromise(Playbook, answers="credential_compromise"):
    """Have nobody accept the key any longer, watch, then make a new one; what is not ours, people are told."""

    attack = ("T1528", "T1552", "T1555")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        keys = await self.look_up(ManagedKeys(names=incident.accounts))
        users = await self.look_up(ManagedAccessKeys(names=incident.accounts))
        stolen = [(u, k.key) for u in users for k in u.keys if k.status is KeyStatus.ACTIVE]
        await self.do(
            *(DeactivateAccessKey(cloud=u.cloud, user=u.user, key=k) for u, k in stolen),
            *(RevokeKeyVersion(key=k.name, version=k.current.id) for k in keys if k.current),
        )
        await self.contained()
        new = {k.name: version_for(incident.id, k.name) for k in keys}
        new |= {u.name: version_for(incident.id, u.name) for u in users}
        mode, shut = Mode.EMERGENCY, workflow.now()
        if stolen:
            await workflow.sleep(WATCH, summary="a watch: is a deactivated key still used?")
            for u in users:
                uses = await self.look_up(AccessKeyUse(cloud=u.cloud, user=u.user))
                if late := [str(k) for k in uses if k.used is not None and k.used > shut]:
                    await self.announce(f"used after it was shut out: {'; '.join(late)}", loud=True)
        await self.do(*(AddKeyVersion(key=k.name, version=new[k.name], mode=mode) for k in keys))
        await self.do(*(_new_key(u, new[u.name]) for u in users))
        await self.do(*(PromoteKeyVersion(key=k, version=v, mode=mode) for k, v in new.items()))
        if new:
            await self.announce(f"{incident.title}: {', '.join(new)} shut out and replaced")
        if others := {*incident.accounts} - {*new} - {u.user for u in users}:
            await self.announce(f"not ours to rotate: {', '.join(sorted(others))}", loud=True)


def _new_key(u: AccessKeyFacts, version: str) -> CreateAccessKey:
    return CreateAccessKey(
        cloud=u.cloud, user=u.user, secret=u.name, version=version, mode=Mode.EMERGENCY
    )
