"""An access key rotated by plan through a whole runner, at moto: it notes the use of a key."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import pytest
import pytest_asyncio

from responder.crypto.keyring import KeyRing
from responder.secrets.contract import NotStaged
from responder.secrets.sealed import SealedSecrets
from tests.e2e.runner import Runner
from tests.providers.aws.conftest import ACCOUNT, REGION
from tests.providers.aws.server import ENVIRONMENT, emulator

pytestmark = pytest.mark.asyncio(loop_scope="module")
USER, SECRET = "uploader", "app/uploader"


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with emulator(tmp_path_factory.mktemp("moto")) as url:
            yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(moto: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """One runner for the module; nobody needs a second factor, which is tested elsewhere."""
    folder: Path = tmp_path_factory.mktemp("runner")
    cloud = {"name": "prod", "account": ACCOUNT, "region": REGION, "endpoint_url": moto}
    key = {"name": SECRET, "cloud": "prod", "user": USER, "quiet": "PT3S", "check": "PT1S"}
    now_and_then = {"cron": "0 2 1 1 *", "category": "access_key_rotation", "what": [SECRET]}
    settings: dict[str, Any] = {
        "inventory": {"clouds": [cloud]},
        "key_rotation": {"access_keys": [key]},
        "schedules": [{"name": "yearly", **now_and_then}],
        "tiers": {
            "needs": {
                "T0": {"people": 0, "stepped_up": 0},
                "T1": {"people": 0, "stepped_up": 0},
                "T2": {"people": 1, "stepped_up": 0},
                "T3": {"people": 2, "stepped_up": 0},
            }
        },
    }
    made = Runner(folder, settings)
    await made.start()
    yield made
    await made.close()


async def approve(runner: Runner, incident: str, words: str) -> None:
    """Have two people approve the open ask, which must be about *words*."""

    async def asked() -> dict[str, Any] | None:
        found = await runner.incident(incident)
        plans = {step["key"]: str(step["plan"]) for step in found["steps"]}
        for ask in found["asks"]:
            if ask["state"] == "open" and words in plans[ask["step"]]:
                return dict(ask)
        return None

    ask = await runner.until(asked, f"an ask about {words!r}")
    for who in ("ana", "ben"):
        body = {"approve": True, "digest": ask["digest"], "number": ask["number"]}
        path = f"/api/asks/{ask['id']}/decisions"
        headers = {"authorization": f"Bearer {runner.tokens[who]}"}
        answer = await runner.http.post(path, json=body, headers=headers)
        if ask["tier"] == "T2":
            assert answer.is_success, answer.text
            return
        assert answer.is_success, answer.text


async def test_the_old_key_ends_only_after_the_new_one_is_used_and_it_is_not(
    runner: Runner, moto: str
) -> None:
    iam = boto3.client("iam", region_name=REGION, endpoint_url=moto)
    iam.create_user(UserName=USER)
    old = iam.create_access_key(UserName=USER)["AccessKey"]

    def use(key: dict[str, Any]) -> None:
        boto3.client(
            "sts",
            region_name=REGION,
            endpoint_url=moto,
            aws_access_key_id=key["AccessKeyId"],
            aws_secret_access_key=key["SecretAccessKey"],
        ).get_caller_identity()

    def keys() -> dict[str, str]:
        rows = iam.list_access_keys(UserName=USER)["AccessKeyMetadata"]
        return {row["AccessKeyId"]: row["Status"] for row in rows}

    use(old)
    asked = {"name": SECRET, "mode": "planned"}
    answer = await runner.api("POST", "/api/keys/rotate", by="root", json=asked)
    incident = answer["incident"]
    await approve(runner, incident, "make an access key")
    await approve(runner, incident, "from now on")
    ring = runner.settings.rotation.ring
    store = SealedSecrets(runner.settings.rotation.folder, lambda: KeyRing.load(ring))

    async def current() -> Any:
        try:
            return json.loads((await store.get(SECRET)).get_secret_value())
        except NotStaged:
            return None

    new = await runner.until(current, "the new key to be in the secret store")
    assert set(keys()) == {old["AccessKeyId"], new["AccessKeyId"]}
    records = [str(row["record"]) for row in runner.rows("SELECT record FROM resources")]
    assert any(new["AccessKeyId"] in record for record in records)
    shown = json.dumps([records, await runner.incident(incident)])
    assert new["SecretAccessKey"] not in shown
    use(new)
    await approve(runner, incident, "deactivate access key")

    async def inactive() -> bool:
        return keys().get(old["AccessKeyId"]) == "Inactive"

    await runner.until(inactive, "the old key to be inactive")
    await approve(runner, incident, "delete access key")

    async def deleted() -> bool:
        return keys() == {new["AccessKeyId"]: "Active"}

    await runner.until(deleted, "the old key to be deleted")
