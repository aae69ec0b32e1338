"""Somebody has more rights than they were given: people hear of it at once, and the account is closed."""

from datetime import timedelta

from temporalio import workflow

from activities.access_keys import ManagedAccessKeys, QuarantineUser
from activities.accounts import DisableAccount, RevokeSessions
from activities.forensics import CollectEvidence
from activities.monitoring import RaiseMonitoring
from responder import Incident, Playbook, Priority
from responder.proposal import proposed

DAY = timedelta(hours=24)


@workflow.defn
class PrivilegeEscalation(Playbook, answers="privilege_escalation"):
    """Tell at once, watch, keep evidence; at P1 and P2 ask to close the accounts and end their sessions."""

    attack = ("T1068", "T1098", "T1548", "T1611")

    @workflow.run
    async def run(self, incident: Incident) -> None:
        hosts, accounts = incident.hosts, incident.accounts
        who = ", ".join((*accounts, *hosts)) or "No account and no host is named."
        await self.announce(incident.title, who, to="Security Team", loud=True)
        await self.do(
            *(RaiseMonitoring(host=h, lasts=DAY) for h in hosts),
            *(CollectEvidence(host=h, incident=incident.id) for h in hosts),
            otherwise="neither watched nor kept",
        )
        if accounts and incident.priority in (Priority.P1, Priority.P2):
            await self._close(accounts)
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))

    async def _close(self, accounts: tuple[str, ...]) -> None:
        clouds = await self.look_up(ManagedAccessKeys(names=accounts))
        users = dict.fromkeys((one.cloud, one.user) for one in clouds)
        theirs = {name for one in clouds for name in (one.name, one.user)}
        people, now = [a for a in accounts if a not in theirs], workflow.now()
        closed = await self.do(
            *(QuarantineUser(cloud=cloud, user=user, lasts=DAY) for cloud, user in users),
            *(DisableAccount(account=a, lasts=DAY) for a in people),
            *(RevokeSessions(account=a, before=now) for a in people),
            otherwise="accounts were not closed",
        )
        if closed:
            await self.contained()
            await self.announce(f"closed: {', '.join(accounts)}", update=True)
