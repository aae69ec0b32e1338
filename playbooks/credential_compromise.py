"""A credential is in other hands: it is shut out first, and service is restored after that."""

from datetime import timedelta

from temporalio import workflow

from activities.access_keys import (
    DeactivateAccessKey,
    KeyStatus,
    ManagedAccessKeys,
    RevokeUserSessions,
)
from activities.accounts import RevokeSessions
from activities.keys import ManagedKeys, RevokeKeyVersion
from playbooks.key_steps import replaced, swept, watched
from responder import Incident, Playbook
from responder.proposal import proposed

DAY, WATCH = (
    timedelta(days=1),
    timedelta(minutes=30),
)  # as long as AWS IRP-CredCompromise 2.0 watches


@workflow.defn
class CredentialCompromise(Playbook, answers="credential_compromise"):
    """Shut out keys and sessions, look for what was left, watch, then rotate until the new one is in use."""

    attack = ("T1528", "T1552", "T1555")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        names, now = incident.accounts, workflow.now()
        keys = await self.look_up(ManagedKeys(names=names))
        users = await self.look_up(ManagedAccessKeys(names=names))
        ours = {*(k.name for k in keys), *(name for u in users for name in (u.name, u.user))}
        others = [name for name in names if name not in ours]
        stolen = [(u, k.key) for u in users for k in u.keys if k.status is KeyStatus.ACTIVE]
        shut = await self.do(
            *(
                DeactivateAccessKey(cloud=u.cloud, user=u.user, key=k, lasts=None)
                for u, k in stolen
            ),
            *(RevokeUserSessions(cloud=u.cloud, user=u.user, before=now) for u in users),
            *(RevokeKeyVersion(key=k.name, version=k.current.id) for k in keys if k.current),
            *(RevokeSessions(account=a, before=now) for a in others),
            otherwise="the credential was not shut out",
        )
        if shut:
            await self.contained()
        await swept(self, users, incident.began - DAY)
        if shut and stolen:
            await workflow.sleep(WATCH, summary="a watch: is a deactivated key still used?")
            await watched(self, users, now)
        if shut and (keys or users):
            await replaced(self, incident.id, keys, users)
        if others or not names:
            said = ", ".join(others) or "No account and no key is named."
            await self.announce(f"{incident.title}: not ours to rotate", said, loud=True)
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
