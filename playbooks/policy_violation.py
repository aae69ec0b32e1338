"""Somebody broke a rule of ours: nothing is cut off, a person talks to them."""

from temporalio import workflow

from responder import Incident, Playbook
from responder.proposal import proposed


@workflow.defn
class PolicyViolation(Playbook, answers="policy_violation"):
    """Tell the team lead who, what and where."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        who = ", ".join((*incident.accounts, *incident.hosts)) or incident.subject
        await self.announce(f"{incident.title}: {who}", to="Team Lead")
        if workflow.patched("proposal"):
            await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
