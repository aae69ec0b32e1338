"""A store in the double of Key Vault: who asks resolves its name, trusts it, and has its token."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from tests.providers.azure.key_vault_service import DOMAIN, HOST, TENANT, TOKEN, Service, key_vault


class Credential:
    """A credential that has the double's token, for the scope and tenant that it names."""

    def __init__(self) -> None:
        self.scopes: list[tuple[str, ...]] = []
        self.token = TOKEN

    def get_token(self, *scopes: str, **asked: Any) -> AccessToken:
        assert asked.get("tenant_id") == TENANT
        self.scopes.append(scopes)
        return AccessToken(self.token, int(time.time()) + 3600)


@contextmanager
def reachable(folder: Path, patch: pytest.MonkeyPatch) -> Iterator[Service]:
    """The double, resolved and trusted; at the end it must have seen nothing undocumented."""
    ask = socket.getaddrinfo

    def resolved(host: Any, *words: Any, **more: Any) -> Any:
        return ask("127.0.0.1" if host == HOST else host, *words, **more)

    with key_vault(folder) as service:
        patch.setattr(socket, "getaddrinfo", resolved)
        patch.setenv("REQUESTS_CA_BUNDLE", service.authority)
        patch.setenv("NO_PROXY", DOMAIN)
        yield service
        assert service.faults == []
