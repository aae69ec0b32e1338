"""Which version of which managed key an action is about."""

from collections.abc import Mapping

from activities.keys import KeyFacts, KeyVersion
from activities.providers.key_versions import VersionOfKey
from activities.secret_stores import open_store
from responder.contract import Resource
from responder.errors import Refused
from responder.inventory import Inventory
from responder.secrets.contract import Stage


class ManagedKeyRing:
    """The resources of the actions on key versions, and the answer to `ManagedKeys`."""

    def __init__(self, inventory: Inventory) -> None:
        self._rotation = inventory.rotation
        self._store = open_store(inventory.rotation, inventory.clouds)

    def resolve(self, action: KeyVersion) -> Mapping[str, Resource[Stage]]:
        """The version in the store. Raises `Refused` for a key that is not managed."""
        key = self._rotation.key(action.key) or self._rotation.access_key(action.key)
        if key is None:
            plan = self._rotation.plan
            names = [*(one.name for one in plan.keys), *(one.name for one in plan.access_keys)]
            known = ", ".join(names) or "none"
            raise Refused(
                f"{action}: expected a key of key_rotation ({known}), found {action.key}; nothing was "
                "changed"
            )
        return {self._rotation.secrets.kind: VersionOfKey(self._store, key, action.version)}

    async def among(self, names: tuple[str, ...]) -> list[KeyFacts]:
        """The managed keys among *names*, in the settings' order."""
        return [
            KeyFacts(
                name=key.name,
                type=key.type,
                retention=key.retention_period,
                distribute=self._rotation.plan.distribute,
                versions=await self._store.versions(key.name),
            )
            for key in self._rotation.plan.keys
            if key.name in names
        ]
