"""Opening a store in Key Vault by the settings, and the names it can hold."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from activities import secret_stores
from activities.providers.key_vault import KeyVault, unfit, vault_name
from responder.errors import ConfigurationError
from responder.rotation import KeyRotation, KeyVaultStore, Rotation, Secrets
from tests.providers.azure.key_vault_service import DOMAIN

DAY = timedelta(days=1)


def test_no_two_names_are_one_in_the_vault() -> None:
    names = ["a", "a/b", "a-b", "a/b/c", "a-/b", "a-b/c", "a/b-c", "9/9"]
    assert [unfit("responder--", name) for name in names] == [""] * len(names)
    assert len({vault_name("responder--", name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["a--b", "a_b", "a.b", "A", "../a", "a/", "", "/".join(["x" * 60] * 3)]
)
def test_a_name_that_the_vault_cannot_hold_is_refused(name: str) -> None:
    assert unfit("responder--", name)


def test_settings_open_the_store_and_all_faults_are_said_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secrets = TypeAdapter[Any](Secrets).validate_python(
        {"kind": "azure", "vault": f"https://responder.{DOMAIN}"}
    )
    assert secrets == KeyVaultStore(vault=f"https://responder.{DOMAIN}", prefix="responder--")
    assert isinstance(secret_stores.open_store(Rotation(secrets=secrets)), KeyVault)
    key = {"name": "data_key", "type": "aes", "size": 256, "retention_period": DAY}
    plan = KeyRotation.model_validate({"keys": [key]})
    monkeypatch.setattr(secret_stores, "find_spec", lambda _name: None)
    with pytest.raises(ConfigurationError) as caught:
        secret_stores.open_store(Rotation(secrets=secrets, plan=plan))
    names, extra = caught.value.faults
    assert names.startswith("data_key: expected a name that Key Vault can hold")
    assert "install responder[azure]" in extra


@pytest.mark.parametrize(
    "url", ["http://a.vault.example.com", "https://a.vault.example.com/x", "https://u@a.b"]
)
def test_an_address_that_is_no_vault_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="vault"):
        KeyVaultStore(vault=url)


def test_the_sdk_is_imported_only_when_it_is_used() -> None:
    said = "import sys, activities.secret_stores; print([m for m in sys.modules if m.startswith('azure.')])"
    ran = subprocess.run([sys.executable, "-c", said], check=True, capture_output=True, text=True)
    assert ran.stdout.strip() == "[]"
