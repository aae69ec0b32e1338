"""The secret store that the settings name."""

from activities.aws import Clouds
from activities.providers.secrets_manager import SecretsManager
from responder.cloud import Cloud
from responder.crypto.keyring import KeyRing
from responder.errors import ConfigurationError
from responder.rotation import Rotation, SecretFiles, SecretsManagerStore
from responder.secrets.contract import SecretStore
from responder.secrets.sealed import SealedSecrets


def open_store(rotation: Rotation, clouds: tuple[Cloud, ...] = ()) -> SecretStore:
    """The store; nothing is read or connected yet, and the ring is read anew at each use."""
    match rotation.secrets:
        case SecretFiles():
            return SealedSecrets(rotation.folder, lambda: KeyRing.load(rotation.ring))
        case SecretsManagerStore(cloud=name, prefix=prefix):
            if name not in (known := [cloud.name for cloud in clouds]):
                raise ConfigurationError(
                    f"secrets.cloud: expected one of inventory.clouds ({', '.join(known) or 'none'}), "
                    f"found {name}"
                )
            return SecretsManager(Clouds(clouds).open(name), prefix)
