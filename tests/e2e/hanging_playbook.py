"""A playbook that never gives the event loop back for one host, and blocks for any other."""

from temporalio import workflow

from activities.block import Block
from responder import Incident, Playbook


@workflow.defn
class Spins(Playbook, answers="authentication_attack"):
    """Block; spin if the host is called so."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        turns = 0
        while "spins" in incident.hosts:
            turns += 1
        await self.do(*(Block(network=n) for n in incident.networks))
        await self.contained()


PLAYBOOKS = (Spins,)
