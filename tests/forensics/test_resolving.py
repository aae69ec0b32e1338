"""From the settings to a collection, through the wiring that a worker uses."""

from ipaddress import ip_address
from pathlib import Path

import pytest

from activities.aws import Clouds
from activities.forensics import Acquired, CollectEvidence
from activities.providers.vault_s3 import S3Vault
from activities.resolving.collecting import open_vault
from activities.wiring import Wiring
from responder.access import Local
from responder.evidence.folder import FolderVault
from responder.evidence.settings import Evidence, InFolder, InS3, Scope, Vaulted
from responder.evidence.verify import verify
from responder.inventory import Host, Inventory
from responder.keys import Keys
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
