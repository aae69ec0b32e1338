"""A playbook that shuts out, and then waits until its author's own update tells it to end."""

from datetime import timedelta

from temporalio import workflow

from activities.block import Block
from responder import Incident, Playbook


@workflow.defn
class WaitsToBeTold(Playbook, answers="authentication_attack"):
    """Block, say that this is the containment, and wait."""

    def __init__(self) -> None:
        super().__init__()
        self._told = False

    @workflow.run
    async def run(self, incident: Incident) -> None:
        networks = incident.indicators.networks
        await self.do(*(Block(network=one, lasts=timedelta(hours=1)) for one in networks))
        await self.contained()
        await workflow.wait_condition(lambda: self._told)

    @workflow.update
    def enough(self) -> str:
        """An author's own update: it is possible beside the one that refuses."""
        self._told = True
        return "it ends"


PLAYBOOKS = (WaitsToBeTold,)
