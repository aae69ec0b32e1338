"""There is much more traffic than usual: look more closely, and let less of it through."""

from datetime import timedelta

from temporalio import workflow

from activities.monitoring import RaiseMonitoring
from activities.restrict import Restrict
from responder import Incident, Playbook
from responder.proposal import proposed

PER_SECOND = 1000  # packets: about 12 Mbit/s of full Ethernet frames, so that work goes on


@workflow.defn
class UnusualTraffic(Playbook, answers="unusual_traffic"):
    """Log more of the hosts for a day, then limit the senders for an hour, and tell Operations."""

    attack = ("T1046", "T1498", "T1499", "T1595")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        # Before the limit: what is dropped from then on shall be in the logs as well.
        watched = await self.do(
            *(RaiseMonitoring(host=h) for h in incident.hosts), otherwise="nothing is watched"
        )
        slowed = await self.do(
            *(
                Restrict(network=n, packets_per_second=PER_SECOND, lasts=timedelta(hours=1))
                for n in incident.networks
            ),
            otherwise="not restricted",
        )
        if slowed or watched:
            await self.contained()
        who = ", ".join((*map(str, incident.networks), *incident.hosts)) or "nothing is named"
        word = "restricted" if slowed else "nothing was restricted"
        await self.announce(f"{incident.title}: {word}", who, to="Operations")
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
