"""A playbook that wants the CISO and does as it is told."""

from datetime import timedelta

from temporalio import workflow

from responder import Incident, Playbook


@workflow.defn
class WantsTheCiso(Playbook, answers="authentication_attack"):
    """Page until somebody comes, and say who did."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        who = await self.escalate(
            "CISO", "somebody must decide", within=timedelta(seconds=2), times=3
        )
        await self.announce(f"came: {who}")


PLAYBOOKS = (WantsTheCiso,)
