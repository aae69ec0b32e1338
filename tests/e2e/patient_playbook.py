"""A playbook that waits for the CISO for longer than any clock of its tests runs."""

from datetime import timedelta

from temporalio import workflow

from responder import Incident, Playbook


@workflow.defn
class WaitsForTheCiso(Playbook, answers="authentication_attack"):
    """Page once, and be under way for as long as it takes: a run that ends has contained what it can."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.escalate("CISO", "somebody must decide", within=timedelta(minutes=5), times=1)


PLAYBOOKS = (WaitsForTheCiso,)
