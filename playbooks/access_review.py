"""Who may still do what: keys and accounts are shown to whoever answers for them. Changes nothing."""

from datetime import timedelta

from temporalio import workflow

from activities.access_keys import AccessKeyFacts, AccessKeyUse, KeyStatus, ManagedAccessKeys
from responder import Incident, Playbook

UNUSED = timedelta(days=90)


@workflow.defn
class AccessReview(Playbook, answers="access_review"):
    """List what each key was last used for, propose to end what is unused, page until somebody reviews it."""

    attack = ("T1078", "T1098")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        users = await self.look_up(ManagedAccessKeys(names=incident.accounts))
        lines = [line for one in users for line in await self._of(one)]
        ours = {name for one in users for name in (one.name, one.user)}
        lines += [f"{name}: confirm by hand" for name in incident.accounts if name not in ours]
        said = "\n".join(lines) or "No account is named: there is nothing to review."
        await self.announce(f"{incident.title}: proposed, not applied", said, to="Team Lead")
        if lines:
            title = f"review {len(lines)} accesses"
            await self.escalate("Team Lead", title, said, within=timedelta(days=1), times=5)

    async def _of(self, one: AccessKeyFacts) -> list[str]:
        uses = await self.look_up(AccessKeyUse(cloud=one.cloud, user=one.user))
        oldest = workflow.now() - UNUSED
        return [
            f"{one.user} in {one.cloud}: {use}: "
            + ("confirm" if (use.used or use.made) > oldest else "proposed: deactivate it")
            for use in uses
            if use.status is KeyStatus.ACTIVE
        ]
