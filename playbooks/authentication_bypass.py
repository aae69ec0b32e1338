"""Somebody gets in without the proof that we ask for: slow them down, watch, and renew what they saw."""

from datetime import timedelta

from temporalio import workflow

from activities.accounts import RevokeSessions
from activities.keys import AddKeyVersion, ManagedKeys, PromoteKeyVersion
from activities.monitoring import RaiseMonitoring
from activities.restrict import Restrict
from activities.ssh_keys import Mode
from responder import Incident, Playbook
from responder.proposal import proposed
from responder.secrets.contract import version_for

A_WHILE = timedelta(hours=4)
PER_MINUTE = 30  # new connections: enough to sign in by, too few to try things out


@workflow.defn
class AuthenticationBypass(Playbook, answers="authentication_bypass"):
    """Restrict and watch at once, ask to end sessions, then rotate the keys that were exposed."""

    attack = ("T1550", "T1556", "T1606")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        where = (*incident.hosts, *map(str, incident.networks), *incident.accounts)
        said = ", ".join(where) or "Nothing is named: no network, host, account or key."
        await self.announce(incident.title, said, to="Security Team", loud=True)
        held = await self.do(
            *(
                Restrict(network=n, connections_per_minute=PER_MINUTE, lasts=A_WHILE)
                for n in incident.networks
            ),
            *(RaiseMonitoring(host=h) for h in incident.hosts),
            otherwise="neither restricted nor watched",
        )
        keys = await self.look_up(ManagedKeys(names=incident.accounts))
        exposed = {key.name: version_for(incident.id, key.name) for key in keys}
        people, now = [a for a in incident.accounts if a not in exposed], workflow.now()
        held += await self.do(
            *(RevokeSessions(account=a, before=now) for a in people),
            otherwise="sessions were not ended",
        )
        if held:
            await self.contained()
        new = [AddKeyVersion(key=k, version=v, mode=Mode.EMERGENCY) for k, v in exposed.items()]
        if await self.do(*new, otherwise="exposed keys were not rotated"):
            waits = max(key.distribute for key in keys)
            await workflow.sleep(waits, summary="until everybody has read the new version")
            use = (
                PromoteKeyVersion(key=one.key, version=one.version, mode=one.mode) for one in new
            )
            await self.do(*use, otherwise="exposed keys are still in use")
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))
