"""The secret store that the settings name."""

from importlib.util import find_spec

from activities.aws import Clouds
from activities.azure import Vault
from activities.providers.key_vault import KeyVault, unfit
from activities.providers.secrets_manager import SecretsManager
from responder.cloud import Cloud
from responder.crypto.keyring import KeyRing
from responder.errors import ConfigurationError
from responder.rotation import KeyVaultStore, Rotation, SecretFiles, SecretsManagerStore
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
        case KeyVaultStore(vault=url, prefix=prefix):
            names = [key.name for key in rotation.plan.keys]
            names += [key.name for key in rotation.plan.access_keys]
            faults = [why for name in names if (why := unfit(prefix, name))]
            if not _has_azure():
                faults.append(
                    "secrets.kind: expected the packages of the extra azure for a store in Key "
                    "Vault, found none; install responder[azure]"
                )
            if faults:
                raise ConfigurationError(*faults)
            return KeyVault(Vault(url), prefix)


def _has_azure() -> bool:
    try:
        return all(find_spec(name) for name in ("azure.identity", "azure.keyvault.secrets"))
    except ModuleNotFoundError:  # what it is in is not there either
        return False
