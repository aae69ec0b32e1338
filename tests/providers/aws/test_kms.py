"""KMS at moto: it rotates at once and lists it; that AWS takes its time, and refuses some keys, it does not."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from activities.aws import Aws, AwsError
from activities.kms_keys import RotateKmsKey
from activities.providers.kms import KmsKey
from responder.errors import Unreachable
from tests.providers.aws.server import Door


@pytest.fixture
def key(colleague: Callable[[str], Any]) -> str:
    return str(colleague("kms").create_key()["KeyMetadata"]["KeyId"])


async def rotate(resource: KmsKey) -> None:
    await resource.write(True, key="step", until=None, tag="INC-2026-0001")


async def test_a_key_is_rotated_once_and_old_ciphertext_still_opens(
    aws: Aws, colleague: Callable[[str], Any], key: str, way: Door
) -> None:
    sealed = colleague("kms").encrypt(KeyId=key, Plaintext=b"data")["CiphertextBlob"]
    now = datetime.now(UTC) - timedelta(seconds=2)
    resource = KmsKey(aws, "prod", key, now)
    assert not (await resource.read()).state
    for _ in range(2):
        await rotate(resource)
        assert (await resource.read()).state
    assert way.changes.count("RotateKeyOnDemand") == 1
    assert not (await KmsKey(aws, "prod", key, now + timedelta(hours=1)).read()).state
    assert colleague("kms").decrypt(CiphertextBlob=sealed)["Plaintext"] == b"data"


async def test_a_lost_answer_is_looked_up_and_not_asked_again(
    aws: Aws, key: str, way: Door
) -> None:
    resource = KmsKey(aws, "prod", key, datetime.now(UTC) - timedelta(seconds=2))
    way.kill_at(1, lose_answer=True)
    with pytest.raises((Unreachable, AwsError)):  # the worker died here
        await rotate(resource)
    way.revive()
    await rotate(resource)
    assert (await resource.read()).record == {"rotations": 1}


async def test_a_rotation_is_not_taken_back(aws: Aws, key: str) -> None:
    with pytest.raises(RuntimeError, match="cannot be taken back"):
        await KmsKey(aws, "prod", key, datetime.now(UTC)).write(False, key="u", until=None, tag="")


@pytest.mark.parametrize("name", ["alias/app", "*", "", "12345678"])
def test_only_the_id_of_a_key_is_taken(name: str) -> None:
    with pytest.raises(ValueError, match="key"):
        RotateKmsKey(cloud="prod", key=name, since=datetime.now(UTC))
