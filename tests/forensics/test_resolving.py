"""From the settings to a collection, through the wiring that a worker uses."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest

from activities.aws import Clouds
from activities.cloud_logs import ExportLogs
from activities.forensics import Acquired, CollectEvidence
from activities.providers.vault_s3 import S3Vault
from activities.resolving.collecting import open_vault
from activities.wiring import Wiring
from responder.access import Local
from responder.cloud import Cloud
from responder.evidence.folder import FolderVault
from responder.evidence.settings import CloudLogSource, Evidence, InFolder, InS3, Scope, Vaulted
from responder.evidence.verify import verify
from responder.inventory import Host, Inventory
from responder.keys import Keys
from responder.settings import Settings
from responder.store import Store
from tests.forensics.conftest import INCIDENT


async def test_a_host_is_collected_from_through_the_wiring(tmp_path: Path, store: Store) -> None:
    (tmp_path / "suspect").mkdir()
    (tmp_path / "suspect" / "file").write_text("found")
    scope = Scope(roots=(str(tmp_path / "suspect"),), temporary=(str(tmp_path / "suspect"),),
                  logs=(str(tmp_path / "suspect"),))  # fmt: skip
    Keys(tmp_path).make_missing()
    vaulted = Vaulted.within(Evidence(scope=scope), tmp_path)
    host = Host(
        name="here", addresses=(ip_address("198.51.100.9"),), aliases=("me",), access=Local()
    )
    bare = Host(name="away", addresses=(ip_address("198.51.100.8"),))
    wiring = Wiring(Inventory(hosts=(host, bare), vaulted=vaulted), store)
    left = [
        {"step": step, "reason": "this is the test's own machine"}
        for step in ("network", "processes", "memory", "executables", "accounts", "persistence")
    ]
    action = CollectEvidence.model_validate({"host": "me", "incident": INCIDENT, "waived": left})
    for unreachable in ("away", "nobody"):
        assert wiring.resolve(action.model_copy(update={"host": unreachable})) == {}
    (resource,) = wiring.resolve(action).values()
    assert resource.name == f"evidence/{INCIDENT}/here/first"
    assert (await resource.read()).state is Acquired.NONE
    await resource.write(Acquired.ACQUIRED, key="step", until=None, tag=INCIDENT, record=None)
    found = await resource.read()
    assert found.state is Acquired.ACQUIRED
    vault = open_vault(vaulted, Clouds(()))
    assert isinstance(vault, FolderVault)
    assert [(v.complete, v.faults) for v in verify(vault)] == [(True, ())]
    assert vault.where == f"folder {tmp_path / 'evidence'}"
    await wiring.close()


def test_the_settings_name_the_vault(tmp_path: Path) -> None:
    elsewhere = Vaulted.within(Evidence(vault=InFolder(path=tmp_path / "other")), tmp_path)
    assert elsewhere.folder == tmp_path / "other"
    bucket = InS3(kind="s3", cloud="forensics", bucket="our-evidence", retain_days=1)
    vault = open_vault(Vaulted.within(Evidence(vault=bucket), tmp_path), Clouds(()))
    assert isinstance(vault, S3Vault)
    assert vault.where == "s3 bucket our-evidence"


@pytest.mark.parametrize("bucket", ["", "UPPER", "a/b", "../x", "x"])
def test_a_bucket_has_a_name_that_buckets_have(bucket: str) -> None:
    with pytest.raises(ValueError, match="bucket"):
        InS3(kind="s3", cloud="forensics", bucket=bucket, retain_days=1)


def test_evidence_names_only_clouds_that_there_are(tmp_path: Path) -> None:
    logs = Evidence(logs=(CloudLogSource(cloud="prod"),))
    with pytest.raises(
        ValueError, match=r"evidence\.logs prod is in the cloud prod; known clouds: none"
    ):
        Settings(state=tmp_path, evidence=logs)
    bucket = InS3(kind="s3", cloud="away", bucket="our-evidence", retain_days=1)
    with pytest.raises(ValueError, match="the vault is in the cloud away"):
        Settings(state=tmp_path, evidence=Evidence(vault=bucket))
    cloud = Cloud(name="prod", account="123456789012", region="eu-central-1")
    settings = Settings(state=tmp_path, evidence=logs, inventory=Inventory(clouds=(cloud,)))
    assert settings.vaulted.folder == tmp_path / "evidence"


async def test_every_account_that_is_named_exports_alone(tmp_path: Path, store: Store) -> None:
    clouds = tuple(
        Cloud(name=name, account="123456789012", region="eu-central-1") for name in ("prod", "test")
    )
    sources = tuple(CloudLogSource(cloud=cloud.name) for cloud in clouds)
    vaulted = Vaulted.within(Evidence(logs=sources), tmp_path)
    wiring = Wiring(Inventory(clouds=clouds, vaulted=vaulted), store)
    end = datetime(2026, 11, 21, 12, tzinfo=UTC)
    action = ExportLogs(incident=INCIDENT, start=end - timedelta(hours=1), end=end)
    assert {point: resource.name for point, resource in wiring.resolve(action).items()} == {
        name: f"evidence/{INCIDENT}/{name}/logs-20261121T110000Z-20261121T120000Z"
        for name in ("prod", "test")
    }
    await wiring.close()
