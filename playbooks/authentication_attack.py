"""Brute force and credential stuffing: somebody outside tries passwords until one works."""

import asyncio
from datetime import timedelta

from temporalio import workflow

from activities.block import Block
from activities.collecting.steps import StepName
from activities.connections import Connections
from activities.forensics import CollectEvidence, LeftOut
from activities.isolate import Isolate
from responder import Incident, Playbook, Priority, Refused
from responder.proposal import proposed

# Whoever tries passwords from outside has left traces in sign-ins and processes, not all over a disk.
UNHURRIED = (StepName.DISK_TIMES, StepName.EXECUTABLES, StepName.PERSISTENCE)
LEFT_OUT = tuple(LeftOut(step=s, reason="not while somebody tries to sign in") for s in UNHURRIED)


@workflow.defn
class AuthenticationAttack(Playbook, answers="authentication_attack"):
    """Shut out where it comes from, tell the security team, keep evidence; at P1 and P2 ask to isolate."""

    attack = ("T1110",)

    @workflow.run
    async def run(self, incident: Incident) -> None:
        evidence = asyncio.gather(*(self.look_up(Connections(host=h)) for h in incident.hosts))
        blocked = await self.do(
            *(Block(network=n, lasts=timedelta(hours=24)) for n in incident.networks),
            otherwise="not blocked",
        )
        if blocked or not incident.networks:
            await self.contained()
        where = ", ".join(map(str, incident.networks)) or "no address"
        word = "shut out" if blocked or not incident.networks else "did not shut out"
        await self.announce(f"{incident.title}: {word} {where}")
        seen = zip(incident.hosts, await evidence, strict=True)
        known = [host for host, connections in seen if connections is not None]
        collects = workflow.patched("evidence-and-proposal")
        worse = incident.priority in (Priority.P1, Priority.P2)
        if collects and known and (worse or workflow.patched("evidence-at-every-priority")):
            each = (CollectEvidence(host=h, incident=incident.id, waived=LEFT_OUT) for h in known)
            await self.do(*each, otherwise="no evidence was collected")
        if worse and incident.hosts:
            try:
                await self.do(*(Isolate(host=h, lasts=timedelta(hours=8)) for h in incident.hosts))
            except Refused as refused:
                await self.announce("not isolated", refused.message)
        if collects:
            await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
