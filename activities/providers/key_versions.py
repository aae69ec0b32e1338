"""
One version of a key in the secret store.

New material is made here and given to the store; nothing else ever sees it. What is recorded is the
version's id and when it was made: no value, no digest of one.
"""

from datetime import UTC, datetime, timedelta

from pydantic import JsonValue

from activities.profile import Profile, Proof
from responder.contract import Found
from responder.rotation import ManagedKey, RotatedAccessKey
from responder.secrets.contract import SecretStore, Stage
from responder.secrets.material import make

_STORES = (
    "sealed files: write the folder of the secret store",
    (
        "Secrets Manager: secretsmanager:DescribeSecret, ListSecretVersionIds, CreateSecret, PutSecretValue, "
        "UpdateSecretVersionStage"
    ),
    "Key Vault: the data actions getSecret, setSecret and readMetadata on secrets (Key Vault Secrets Officer)",
)
PROFILE = Profile(
    name="the secret store: sealed files, AWS Secrets Manager, or Azure Key Vault",
    answers=("AddKeyVersion", "PromoteKeyVersion", "RevokeKeyVersion", "DestroyKeyVersion"),
    changes="the stage of one version of one key; a new version's value goes into the store and nowhere else. "
    "Secrets Manager removes a destroyed version in its own time; Key Vault disables it and keeps it",
    permissions=_STORES,
    verified="the stage is read from the store",
    undone="not: it is done once; while the version before it is kept, that one can be promoted again",
    proof=Proof.EMULATOR,
    against="Secrets Manager: moto, which does not make the first version current as AWS does. Key Vault: a "
    "double of its documented HTTP protocol, by its own SDK. Sealed files: the real thing",
)


class VersionOfKey:
    """The stage of one version of one key."""

    expires_by_itself = False

    def __init__(
        self, store: SecretStore, key: ManagedKey | RotatedAccessKey, version: str
    ) -> None:
        self._store = store
        self._key = key
        self._version = version
        self.name = f"key/{key.name}/{version}"

    @property
    def _retention(self) -> timedelta:
        return self._key.retention_period if isinstance(self._key, ManagedKey) else self._key.quiet

    async def read(self) -> Found[Stage]:
        for one in await self._store.versions(self._key.name):
            if one.id == self._version:
                made = one.made.astimezone(UTC).isoformat()
                return Found(state=one.stage, record={"version": one.id, "made": made})
        return Found(state=Stage.ABSENT)

    async def write(
        self, state: Stage, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        name, version = self._key.name, self._version
        match state:
            case Stage.PENDING:
                if not isinstance(self._key, ManagedKey):
                    said = f"{self.name}: AWS makes it; ask for CreateAccessKey"
                    raise RuntimeError(said)  # noqa: TRY004 - nobody passed a wrong type
                await self._store.put(name, version, make(self._key.type, self._key.size))
            case Stage.CURRENT:
                await self._store.promote(name, version)
            case Stage.REVOKED:
                await self._store.revoke(name, version)
            case Stage.DESTROYED:
                await self._store.destroy(name, version, retention=self._retention)
            case Stage.ABSENT | Stage.PREVIOUS:
                raise RuntimeError(f"{self.name}: nothing here makes a version {state}")
