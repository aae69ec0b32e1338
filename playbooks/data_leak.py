"""Data of ours leaves: the way out is closed, and what shows how much has left is kept."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

from activities.accounts import DisableAccount, RevokeSessions
from activities.block import Block
from activities.cloud_logs import ExportLogs
from activities.connections import Connections
from activities.forensics import CollectEvidence
from activities.isolate import Isolate
from responder import Action, Incident, Playbook, Priority
from responder.proposal import proposed

DAY = timedelta(hours=24)


@workflow.defn
class DataLeak(Playbook, answers="data_leak"):
    """Block at once, keep evidence, ask once to cut off hosts and accounts, keep the logs of the window."""

    attack = ("T1020", "T1041", "T1048", "T1537", "T1567")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        hosts, accounts = incident.hosts, incident.accounts
        who = ", ".join((*hosts, *accounts)) or "No host and no account is named."
        said = f"{who}\n\nIf personal data is among it, a duty to report may run from now on."
        await self.announce(incident.title, said, loud=True)
        role = "CISO" if incident.priority is Priority.P1 else "Security Team"
        paged = asyncio.create_task(self.escalate(role, incident.title, said))

        # Connections first: a block ends them, and with them what they would tell.
        await asyncio.gather(*(self.look_up(Connections(host=h)) for h in hosts))
        cut = await self.do(
            *(Block(network=n, lasts=DAY) for n in incident.networks), otherwise="not blocked"
        )
        await self.do(
            *(CollectEvidence(host=h, incident=incident.id) for h in hosts),
            otherwise="no evidence was collected",
        )
        now = workflow.now()
        closing: tuple[Action[Any], ...] = (
            *(Isolate(host=h) for h in hosts),
            *(DisableAccount(account=a, lasts=DAY) for a in accounts),
            *(RevokeSessions(account=a, before=now) for a in accounts),
        )
        closed = await self.do(*closing, otherwise="hosts and accounts were not cut off")
        if closed or (cut and not closing):
            await self.contained()
        await self.do(
            ExportLogs.around(incident.id, incident.began, workflow.now()),
            otherwise="no cloud logs were kept",
        )
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
        await paged
