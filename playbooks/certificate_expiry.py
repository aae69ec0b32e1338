"""A monitor saw a certificate that expires soon: it is renewed, or whose it is is asked."""

from datetime import timedelta

from temporalio import workflow

from activities.certificates import CertificateFacts, ExpiringCertificates, RenewCertificate
from responder import Incident, Playbook
from responder.proposal import proposed
from responder.secrets.contract import version_for

SOON = timedelta(days=30)


@workflow.defn
class CertificateExpiry(Playbook, answers="certificate_expiry"):
    """Renew the certificates named, or on the hosts named, if 30 days or less are left of them."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        names, hosts = incident.accounts, incident.hosts
        found = await self.look_up(ExpiringCertificates(names=names, hosts=hosts, within=SOON))
        await self._renew(incident, found)
        await self.announce(f"{incident.title}: proposed, not applied", proposed(incident))

    async def _renew(self, incident: Incident, found: list[CertificateFacts]) -> None:
        names, hosts = incident.accounts, incident.hosts
        if not found:
            who = ", ".join((*names, *hosts)) or "no certificate and no host is named"
            said = f"None that is ours to renew expires within {SOON.days} days: {who}."
            await self.announce(f"{incident.title}: nothing to renew", said, to="Team Lead")
            return
        due = [one for one in found if not one.problem]
        receipts = await self.do(
            *(
                RenewCertificate(certificate=one.name, renewal=version_for(incident.id, one.name))
                for one in due
            ),
            otherwise="not renewed",
        )
        # Without a receipt for each, all of them were refused: then none is renewed.
        done = zip(due, receipts, strict=False)
        renewed = [one.name for one, receipt in done if receipt.verified]
        left = [one for one in found if one.name not in renewed]
        if not left:
            await self.contained()
        if renewed:
            await self.announce(f"{incident.title}: renewed {', '.join(renewed)}")
        if left:
            said = "\n".join(map(str, left))
            await self.announce(f"{incident.title}: {len(left)} not renewed", said, to="Team Lead")
