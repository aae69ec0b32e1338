"""A credential is in other hands: it is shut out first, and service is restored after that."""

from temporalio import workflow

from activities.keys import (
    AddKeyVersion,
    ManagedKeys,
    PromoteKeyVersion,
    RevokeKeyVersion,
)
from activities.ssh_keys import Mode
from responder import Incident, Playbook
from responder.secrets.contract import version_for


@workflow.defn
class CredentialCompromise(Playbook, answers="credential_compromise"):
    """Have nobody accept the key any longer, then make a new one; what it is not told, people are."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        keys = await self.look_up(ManagedKeys(names=incident.accounts))
        used = [(key.name, key.current.id) for key in keys if key.current is not None]
        await self.do(*(RevokeKeyVersion(key=name, version=version) for name, version in used))
        await self.contained()
        new = {key.name: version_for(incident.id, key.name) for key in keys}
        mode = Mode.EMERGENCY
        await self.do(*(AddKeyVersion(key=k, version=v, mode=mode) for k, v in new.items()))
        await self.do(*(PromoteKeyVersion(key=k, version=v, mode=mode) for k, v in new.items()))
        if keys:
            await self.announce(f"{incident.title}: {', '.join(new)} revoked and replaced")
        if others := [name for name in incident.accounts if name not in new]:
            await self.announce(
                f"{incident.title}: not ours to rotate: {', '.join(others)}", loud=True
            )
