"""An interface is used as no honest client uses it: its sender is slowed down, not cut off."""

from datetime import timedelta

from temporalio import workflow

from activities.monitoring import RaiseMonitoring
from activities.restrict import Restrict
from responder import Incident, Playbook
from responder.proposal import proposed

PER_MINUTE = 100  # what an honest client of an interface of ours is allowed


@workflow.defn
class ApiAbuse(Playbook, answers="api_abuse"):
    """Log more of the hosts, limit new connections for an hour, and tell Operations."""

    attack = ("T1119", "T1499.003")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        await self.do(
            *(RaiseMonitoring(host=h) for h in incident.hosts), otherwise="nothing is watched"
        )
        slowed = await self.do(
            *(
                Restrict(network=n, connections_per_minute=PER_MINUTE, lasts=timedelta(hours=1))
                for n in incident.networks
            ),
            otherwise="not restricted",
        )
        if slowed:
            await self.contained()
        who = ", ".join(map(str, incident.networks)) or "no address is named"
        word = "restricted" if slowed else "nothing was restricted"
        await self.announce(f"{incident.title}: {word}", who, to="Operations")
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
