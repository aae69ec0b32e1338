"""Which file of which host an action on certificates is about, and how long those have left."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from activities.authority import LocalAuthority
from activities.certificates import (
    CertificateFacts,
    ExpiringCertificates,
    Renewal,
    RenewCertificate,
)
from activities.providers.certificate_readings import (
    fingerprint,
    read_file,
    read_served,
    server_name,
)
from activities.providers.certificates import RenewedCertificate
from activities.shell import Shell
from activities.shells import Shells
from responder.certificates import ManagedCertificate
from responder.contract import Resource
from responder.errors import ActionError, Refused
from responder.inventory import Inventory


class Certificates:
    """The resources of `RenewCertificate`, and the answer to `ExpiringCertificates`."""

    def __init__(self, inventory: Inventory, shells: Shells) -> None:
        self._inventory = inventory
        self._plan = inventory.rotation.certificates
        self._shells = shells

    def resolve(self, action: RenewCertificate) -> Mapping[str, Resource[Renewal]]:
        """The host that the certificate is on. Raises `Refused` for one that is not managed."""
        wanted = self._plan.certificate(action.certificate)
        if wanted is None or self._plan.authority is None:
            known = ", ".join(one.name for one in self._plan.certificates) or "none"
            raise Refused(
                f"{action}: expected a certificate of certificate_rotation ({known}), found "
                f"{action.certificate}; nothing was changed"
            )
        authority = LocalAuthority(self._plan.authority)
        return {
            wanted.host: RenewedCertificate(self._shell(wanted), wanted, authority, action.renewal)
        }

    async def expiring(self, asked: ExpiringCertificates) -> list[CertificateFacts]:
        """Those that expire soon, and those of which it cannot be known, in the settings' order."""
        hosts = {host.name for name in asked.hosts if (host := self._inventory.host(name))}
        among = [
            one
            for one in self._plan.certificates
            if one.name in asked.names or self._host(one) in hosts
        ]
        facts = await asyncio.gather(*(self._facts(one) for one in among))
        within = self._plan.renew_before if asked.within is None else asked.within
        return [one for one in facts if one.problem or one.days_left <= within / timedelta(days=1)]

    async def _facts(self, wanted: ManagedCertificate) -> CertificateFacts:
        try:
            found = (await read_file(self._shell(wanted), wanted.name, wanted)).certificate
            ends = [found.not_valid_after_utc]
            if wanted.served is not None:
                shown = await read_served(wanted.name, wanted.served, server_name(wanted))
                ends.append(shown.not_valid_after_utc)
        except ActionError as error:
            return CertificateFacts(name=wanted.name, host=wanted.host, problem=error.message)
        return CertificateFacts(
            name=wanted.name,
            host=wanted.host,
            serial=f"{found.serial_number:x}",
            fingerprint=fingerprint(found),
            not_after=min(ends),
            days_left=(min(ends) - datetime.now(UTC)) / timedelta(days=1),
        )

    def _host(self, wanted: ManagedCertificate) -> str:
        host = self._inventory.host(wanted.host)
        return host.name if host else ""

    def _shell(self, wanted: ManagedCertificate) -> Shell:
        host = self._inventory.host(wanted.host)
        if host is None or host.access is None:
            raise Refused(
                f"{wanted.name}: expected a host of the inventory that can be reached, found {wanted.host}; "
                "nothing was changed"
            )
        return self._shells.open(host.access)
