"""Where an account lives: at every identity provider whose accounts it is one of, each alone."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from activities.accounts import AccountState, DisableAccount, RevokeSessions, Sessions
from activities.providers.identity import IdentityProvider
from activities.providers.linux_accounts import LinuxAccounts
from activities.providers.scim import Scim
from activities.shells import Shells
from responder.access import OverSSH
from responder.contract import Resource
from responder.identities import HostIdentities, ScimIdentities
from responder.inventory import Inventory


class Accounts:
    """The resources of `DisableAccount` and `RevokeSessions`."""

    def __init__(self, inventory: Inventory, shells: Shells) -> None:
        self._inventory = inventory
        self._shells = shells
        self._services: dict[str, Scim] = {}

    def resolve(self, action: DisableAccount | RevokeSessions) -> Mapping[str, Resource[Any]]:
        """Every provider that must carry *action*, by the provider's name."""
        match action:
            case DisableAccount(account=account):
                return self.account(account)
            case RevokeSessions(account=account, before=before):
                return self.sessions(account, before)

    def account(self, name: str) -> Mapping[str, Resource[AccountState]]:
        """Every provider that should have the account *name*, by the provider's name."""
        return {point: provider.account(name) for point, provider in self._of(name)}

    def sessions(self, name: str, before: datetime) -> Mapping[str, Resource[Sessions]]:
        """Every provider that can end what *name* has open there; none is a failure to contain."""
        found = ((point, provider.sessions(name, before)) for point, provider in self._of(name))
        return {point: resource for point, resource in found if resource is not None}

    async def close(self) -> None:
        """Let go of kept connections."""
        for service in self._services.values():
            await service.close()

    def _of(self, account: str) -> Iterator[tuple[str, IdentityProvider]]:
        for place in self._inventory.identity_providers:
            if not place.has(account):
                continue
            match place:
                case ScimIdentities():
                    if place.name not in self._services:
                        self._services[place.name] = Scim(place)
                    yield place.name, self._services[place.name]
                case HostIdentities():
                    host = self._inventory.host(place.name)
                    if host is None or host.access is None:
                        continue
                    own = host.access.user if isinstance(host.access, OverSSH) else ""
                    shell = self._shells.open(host.access)
                    yield place.name, LinuxAccounts(shell, host.name, own=own)
