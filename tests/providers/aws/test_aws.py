"""What calls to AWS make of errors, of credentials and of names that settings give."""

import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from activities.aws import Aws, AwsError, Clouds
from activities.block import Block
from activities.isolate import Isolate
from activities.volumes import SnapshotVolumes
from activities.wiring import Wiring
from responder import doctor
from responder.cloud import Cloud
from responder.errors import Unreachable
from responder.inventory import Inventory
from responder.settings import Settings
from responder.store import Store
from tests.providers.aws.server import Call, Door, Said

XML = "<Response><Errors><Error><Code>{}</Code><Message>{}</Message></Error></Errors></Response>"


def saying(status: int, code: str, message: str = "as AWS says") -> object:
    def answer(call: Call) -> Said | None:
        if call.operation != "DescribeVpcs":
            return None
        return status, "text/xml", XML.format(code, message).encode()

    return answer


async def test_a_permission_that_is_missing_is_named(aws: Aws, way: Door) -> None:
    way.answering.append(saying(403, "UnauthorizedOperation"))  # type: ignore[arg-type]
    with pytest.raises(Unreachable, match="the permission ec2:DescribeVpcs is missing"):
        await aws.call("ec2", "describe_vpcs")


@pytest.mark.parametrize("code", ["RequestLimitExceeded", "Throttling"])
async def test_throttling_is_tried_again_and_then_unknown(aws: Aws, way: Door, code: str) -> None:
    way.answering.append(saying(503, code))  # type: ignore[arg-type]
    way.calls.clear()
    with pytest.raises(Unreachable, match=code):
        await aws.call("ec2", "describe_vpcs")
    assert [one.operation for one in way.calls] == ["DescribeVpcs"] * 3


async def test_what_is_asked_once_is_never_repeated(aws: Aws, way: Door) -> None:
    way.answering.append(saying(503, "RequestLimitExceeded"))  # type: ignore[arg-type]
    way.calls.clear()
    with pytest.raises(Unreachable):
        await aws.call("ec2", "describe_vpcs", once=True)
    assert len(way.calls) == 1


@pytest.mark.parametrize("code", ["AuthFailure", "ExpiredToken", "SignatureDoesNotMatch"])
async def test_credentials_that_aws_does_not_accept_are_told_as_such(
    aws: Aws, way: Door, code: str
) -> None:
    way.answering.append(saying(403, code))  # type: ignore[arg-type]
    with pytest.raises(Unreachable, match=f"AWS does not accept the credentials: {code}"):
        await aws.call("ec2", "describe_vpcs")


async def test_what_aws_understood_and_refused_has_its_code(aws: Aws) -> None:
    with pytest.raises(AwsError) as told:
        await aws.call("ec2", "describe_security_groups", GroupIds=["sg-00000000"])
    assert told.value.code == "InvalidGroup.NotFound"


async def test_an_answer_that_is_none_is_unknown(aws: Aws, way: Door) -> None:
    way.answering.append(lambda _: (200, "text/html", b"<p>a proxy says hello"))
    with pytest.raises(Unreachable, match="ResponseParserError"):
        await aws.call("ec2", "describe_vpcs")


async def test_nobody_at_the_address_is_unknown_and_does_not_take_long(cloud: Cloud) -> None:
    nobody = Aws(cloud.model_copy(update={"endpoint_url": "http://127.0.0.1:9"}))
    began = time.monotonic()
    with pytest.raises(Unreachable, match=r"prod \(123456789012, eu-central-1\): .*127.0.0.1:9"):
        await nobody.call("ec2", "describe_vpcs")
    assert time.monotonic() - began < 20
    await nobody.close()


async def test_credentials_of_another_account_are_never_used(cloud: Cloud, way: Door) -> None:
    other = Aws(cloud.model_copy(update={"account": "999999999999"}))
    with pytest.raises(
        Unreachable,
        match="expected credentials of account 999999999999, found those of 123456789012",
    ):
        await other.call("ec2", "create_vpc", CidrBlock="10.9.0.0/16")
    assert way.changes == []
    await other.close()


async def test_a_role_is_assumed_with_the_external_id(cloud: Cloud, way: Door) -> None:
    # moto lets anybody assume any role: only that it is asked for as it should be is shown.
    role = "arn:aws:iam::123456789012:role/responder"
    opened = Aws(cloud.model_copy(update={"role_arn": role, "external_id": "IR-7"}))
    assert await opened.identity() == "123456789012"
    assumed = [one.params for one in way.calls if one.operation == "AssumeRole"]
    assert [(one["RoleArn"], one["ExternalId"]) for one in assumed] == [(role, "IR-7")]
    await opened.close()


async def test_clouds_that_do_not_answer_are_faults_of_their_own(cloud: Cloud) -> None:
    dead = cloud.model_copy(update={"name": "dead", "endpoint_url": "http://127.0.0.1:9"})
    clouds = Clouds((cloud, dead))
    said = await clouds.faults()
    assert len(said) == 1
    assert said[0].startswith("dead (123456789012, eu-central-1)")
    await clouds.close()


async def test_the_doctor_says_which_cloud_does_not_answer(cloud: Cloud, tmp_path: Path) -> None:
    dead = cloud.model_copy(update={"name": "dead", "endpoint_url": "http://127.0.0.1:9"})
    settings = Settings(state=tmp_path, inventory=Inventory(clouds=(cloud, dead)))
    found = await doctor._run("clouds", doctor._clouds, settings)
    assert found.state == "fail"
    assert "dead (123456789012" in found.found
    fine = Settings(state=tmp_path, inventory=Inventory(clouds=(cloud,)))
    assert (await doctor._run("clouds", doctor._clouds, fine)).found == "1 answer"


INVENTORY: dict[str, Any] = {
    "clouds": [
        {"name": "prod", "account": "123456789012", "region": "eu-central-1"},
        {"name": "vault", "account": "210987654321", "region": "eu-west-1"},
    ],
    "hosts": [
        {
            "name": "web1",
            "addresses": ["198.51.100.7"],
            "cloud": {"cloud": "prod", "id": "i-0123456789abcdef0"},
        },
        {"name": "db1"},
    ],
    "snapshots": {"cloud": "vault", "key": "alias/evidence"},
    "isolation": {"management": ["198.51.100.5"]},
    "points": [
        {"kind": "network-acl", "name": "vpc", "cloud": "prod", "acl": "acl-0123456789abcdef0"},
        {"kind": "security-group", "name": "web", "cloud": "prod", "group": "sg-01234567"},
    ],
}


async def test_an_inventory_leads_to_the_resources_without_asking_aws(store: Store) -> None:
    wiring = Wiring(Inventory.model_validate(INVENTORY), store)
    blocked = wiring.resolve(Block.model_validate({"network": "203.0.113.9"}))
    assert {r.name for r in blocked.values()} == {"block/vpc/203.0.113.9", "block/web/203.0.113.9"}
    assert [r.name for r in wiring.resolve(Isolate(host="web1")).values()] == ["instance/web1"]
    kept = wiring.resolve(SnapshotVolumes(host="web1", incident="INC-1"))
    assert [r.name for r in kept.values()] == ["volumes/INC-1/web1"]
    assert wiring.resolve(SnapshotVolumes(host="db1", incident="INC-1")) == {}
    await wiring.close()


def test_a_cloud_that_is_not_there_is_a_fault_of_the_settings() -> None:
    wrong = {**INVENTORY, "clouds": INVENTORY["clouds"][:1]}
    with pytest.raises(
        ValidationError, match="snapshots is in the cloud vault; known clouds: prod"
    ):
        Inventory.model_validate(wrong)
