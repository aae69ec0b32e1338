"""Files are being encrypted: every minute costs more of them, so isolation comes before evidence."""

import asyncio
from datetime import timedelta

from temporalio import workflow

from activities.accounts import DisableAccount, RevokeSessions
from activities.block import Block
from activities.forensics import CollectEvidence
from activities.isolate import Isolate
from activities.volumes import SnapshotVolumes
from responder import Drifted, Incident, Playbook, Priority, Refused, Unverified
from responder.proposal import proposed

DAY = timedelta(hours=24)


@workflow.defn
class Ransomware(Playbook, answers="ransomware"):
    """Isolate what is named in waves, shut out where it comes from and whom it uses, then keep evidence."""

    attack = ("T1486", "T1489", "T1490")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        hosts, accounts, where = incident.hosts, incident.accounts, ", ".join(incident.hosts)
        said = f"On {where}: do not switch it off." if hosts else "No host is named."
        await self.announce(incident.title, said, loud=True)
        role = "CISO" if incident.priority is Priority.P1 else "Security Team"
        paged = asyncio.create_task(self.escalate(role, incident.title, said))

        await self.do(
            *(Block(network=n, lasts=DAY) for n in incident.networks), otherwise="not blocked"
        )
        try:
            if await self.do_in_waves(*(Isolate(host=h, lasts=DAY) for h in hosts)):
                await self.contained()
                await self.announce(f"{incident.title}: isolated {where}", update=True)
        except (Refused, Drifted, Unverified) as stopped:
            await self.announce("not all isolated", stopped.message, loud=True)
        now = workflow.now()
        await self.do(
            *(DisableAccount(account=a, lasts=DAY) for a in accounts),
            *(RevokeSessions(account=a, before=now) for a in accounts),
            otherwise="accounts were not closed",
        )
        # An isolated host keeps its management path: memory may still hold the key.
        await self.do(  # lint: PB009 isolation is first: every minute costs more files
            *(CollectEvidence(host=h, incident=incident.id) for h in hosts),
            otherwise="no evidence was collected",
        )
        await self.do(
            *(SnapshotVolumes(host=h, incident=incident.id) for h in hosts),
            otherwise="no disks were kept",
        )
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
        await paged
