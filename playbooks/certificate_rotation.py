"""Certificates are renewed before they expire: read, renewed where they are due, proved over TLS."""

from temporalio import workflow

from activities.certificates import ExpiringCertificates, RenewCertificate
from responder import Incident, Playbook
from responder.secrets.contract import version_for


@workflow.defn
class CertificateRotation(Playbook, answers="certificate_rotation"):
    """Renew what expires soon of the certificates named, or on the hosts named; tell what could not be."""

    @workflow.run
    async def run(self, incident: Incident) -> None:
        asked = ExpiringCertificates(names=incident.accounts, hosts=incident.hosts)
        found = await self.look_up(asked)
        unknown = [one for one in found if one.problem]
        due = [one for one in found if not one.problem]
        receipts = await self.do(
            *(
                RenewCertificate(certificate=one.name, renewal=version_for(incident.id, one.name))
                for one in due
            )
        )
        done = [one for one, made in zip(due, receipts, strict=True) if made.verified]
        if done:
            said = "\n".join(f"replaced: {one}" for one in done)
            names = ", ".join(one.name for one in done)
            await self.announce(f"{incident.title}: {names} renewed", said)
        faults = [str(one) for one in unknown]
        for one, made in zip(due, receipts, strict=True):
            if not made.verified:
                why = made.refused or "; ".join(point.said for point in made.points)
                faults.append(f"{one}; not renewed: {why}")
        if faults:
            await self.announce(
                f"{incident.title}: {len(faults)} not renewed", "\n".join(faults), loud=True
            )
