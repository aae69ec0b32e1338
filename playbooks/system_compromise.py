"""A machine of ours is in other hands: what it would forget is kept first, then it is cut off."""

import asyncio
from datetime import timedelta

from temporalio import workflow

from activities.block import Block
from activities.cloud_logs import ExportLogs
from activities.connections import Connections
from activities.forensics import CollectEvidence
from activities.isolate import Isolate
from activities.volumes import SnapshotVolumes
from responder import Incident, Playbook, Priority
from responder.proposal import proposed

DAY = timedelta(hours=24)


@workflow.defn
class SystemCompromise(Playbook, answers="system_compromise"):
    """Keep what is volatile, ask to isolate, keep disks and logs; whoever decides is paged meanwhile."""

    attack = ("T1014", "T1059", "T1071", "T1505")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        hosts, where = incident.hosts, ", ".join(incident.hosts)
        said = f"On {where}." if hosts else "No host is named: nothing can be kept or isolated."
        await self.announce(incident.title, said, loud=True)
        if workflow.patched("administrators"):
            await self.announce(incident.title, said, to="administrators", loud=True)
        role = "CISO" if incident.priority is Priority.P1 else "Security Team"
        paged = asyncio.create_task(self.escalate(role, incident.title, said))

        # RFC 3227: what is lost soonest comes first, and all of it before anything is changed.
        await asyncio.gather(*(self.look_up(Connections(host=h)) for h in hosts))
        await self.do(
            *(CollectEvidence(host=h, incident=incident.id) for h in hosts),
            otherwise="no evidence was collected",
        )
        await self.do(
            *(Block(network=n, lasts=DAY) for n in incident.networks), otherwise="not blocked"
        )
        if await self.do(*(Isolate(host=h, lasts=DAY) for h in hosts), otherwise="not isolated"):
            await self.contained()
            await self.announce(f"{incident.title}: isolated {where}", update=True)
        await self.do(
            *(SnapshotVolumes(host=h, incident=incident.id) for h in hosts),
            ExportLogs.around(incident.id, incident.began, workflow.now()),
            otherwise="no disks and no cloud logs were kept",
        )
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
        await paged
