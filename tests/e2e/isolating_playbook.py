"""A playbook that isolates the hosts of its incident and nothing else."""

from datetime import timedelta

from temporalio import workflow

from activities.isolate import Isolate
from responder import Incident, Playbook


@workflow.defn
class OnlyIsolates(Playbook, answers="authentication_attack"):
    """Isolate, and say that this is the containment."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.do(*(Isolate(host=h, lasts=timedelta(hours=1)) for h in incident.hosts))
        await self.contained()


PLAYBOOKS = (OnlyIsolates,)
