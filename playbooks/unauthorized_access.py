"""Somebody is where they have no business to be: they are shut out at once."""

import asyncio
from datetime import timedelta

from temporalio import workflow

from activities.accounts import RevokeSessions
from activities.block import Block
from activities.connections import Connections
from responder import Incident, Playbook
from responder.proposal import proposed

DAY = timedelta(hours=24)


@workflow.defn
class UnauthorizedAccess(Playbook, answers="unauthorized_access"):
    """Block where it comes from, tell the security team, and ask to end the sessions of who was used."""

    attack = ("T1078", "T1133", "T1190")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        # A lookup waits for nobody, and a block ends the connections that it would see.
        seen = asyncio.gather(*(self.look_up(Connections(host=h)) for h in incident.hosts))
        blocked = await self.do(
            *(Block(network=n, lasts=DAY) for n in incident.networks), otherwise="not blocked"
        )
        where = ", ".join(map(str, incident.networks)) or "no address is named"
        word = "shut out" if blocked else "nothing was shut out"
        await self.announce(f"{incident.title}: {word}", where, to="Security Team", loud=True)
        await seen
        now = workflow.now()
        ended = await self.do(
            *(RevokeSessions(account=a, before=now) for a in incident.accounts),
            otherwise="sessions were not ended",
        )
        if blocked or ended:
            await self.contained()
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
