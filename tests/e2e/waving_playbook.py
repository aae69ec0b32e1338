"""A playbook that isolates three hosts one after the other, for as long as all goes well."""

from datetime import timedelta

from temporalio import workflow

from activities.isolate import Isolate
from responder import Incident, Playbook

HOSTS = ("web-1", "db-1", "edge-2")


@workflow.defn
class IsolatesInWaves(Playbook, answers="authentication_attack"):
    """Isolate in waves of one, and say that this is the containment."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        held = (Isolate(host=host, lasts=timedelta(hours=1)) for host in HOSTS)
        await self.do_in_waves(*held, sizes=(1, 1))
        await self.contained()


PLAYBOOKS = (IsolatesInWaves,)
