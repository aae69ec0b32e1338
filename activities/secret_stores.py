"""The secret store that the settings name."""

from responder.crypto.keyring import KeyRing
from responder.errors import ConfigurationError
from responder.rotation import Rotation, SecretFiles
from responder.secrets.contract import SecretStore
from responder.secrets.sealed import SealedSecrets


def open_store(rotation: Rotation) -> SecretStore:
    """The store; nothing is read or connected yet, and the ring is read anew at each use."""
    match rotation.secrets:
        case SecretFiles():
            return SealedSecrets(rotation.folder, lambda: KeyRing.load(rotation.ring))
    raise ConfigurationError(f"secrets.kind: nothing here opens {rotation.secrets.kind!r}")
