"""Keys are rotated by plan: made, distributed, taken into use, kept for their retention, destroyed."""

from temporalio import workflow

from activities.keys import (
    AddKeyVersion,
    DestroyKeyVersion,
    ManagedKeys,
    PromoteKeyVersion,
)
from responder import Incident, Playbook
from responder.secrets.contract import version_for


@workflow.defn
class KeyRotation(Playbook, answers="key_rotation"):
    """Make a new version, publish it, use it once everybody can know it; destroy what is out of retention."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        keys = await self.look_up(ManagedKeys(names=incident.accounts))
        new = {key.name: version_for(incident.id, key.name) for key in keys}
        await self.do(*(AddKeyVersion(key=name, version=new[name]) for name in new))
        if waits := [key.distribute for key in keys if key.current is not None]:
            await workflow.sleep(max(waits), summary="until everybody has read the new version")
        await self.do(*(PromoteKeyVersion(key=name, version=new[name]) for name in new))
        old = [(key.name, version.id) for key in keys for version in key.expired(incident.opened)]
        await self.do(*(DestroyKeyVersion(key=name, version=version) for name, version in old))
        if keys:
            await self.announce(
                f"{incident.title}: {', '.join(new)} done, {len(old)} old destroyed"
            )
        unknown = ", ".join(name for name in incident.accounts if name not in new)
        if unknown:
            await self.announce(f"{incident.title}: no such key: {unknown}")
