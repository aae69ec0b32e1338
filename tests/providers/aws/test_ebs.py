"""
Snapshots at moto, and at HTTP level where moto cannot.

moto completes a snapshot at once, knows no lock (HTTP 500), serves no blocks of snapshots that EC2
made, and does not let another account use a shared one. Locks and blocks are answered here in the
documented form, and what is asked is compared with it; none of this ran against AWS.
"""

import base64
import hashlib
import json
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from activities.aws import Aws
from activities.providers.ebs import VolumeSnapshots
from activities.providers.ebs_digest import digest
from responder.cloud import Cloud, Instance, SnapshotVault
from responder.errors import Refused, Unreachable
from tests.providers.aws.conftest import ACCOUNT
from tests.providers.aws.estate import Estate, build
from tests.providers.aws.server import Call, Door, Said

BLOCK = 512 * 1024
LOCKS = "http://ec2.amazonaws.com/doc/2016-11-15/"


@pytest.fixture
async def estate(aws: Aws) -> Estate:
    return await build(aws, interfaces=1)


@pytest.fixture(scope="session")
def _far(_door: Door) -> Aws:
    return Aws(Cloud(name="vault", account=ACCOUNT, region="eu-west-1", endpoint_url=_door.url))


@pytest.fixture
def far(_far: Aws, way: Door) -> Aws:
    """The region that copies go to."""
    return _far


@dataclass
class Storage:
    """What AWS does and moto does not: locks, and the blocks of snapshots that EC2 made."""

    locked: dict[str, dict[str, str]] = field(default_factory=dict)
    blocks: dict[int, bytes] = field(default_factory=dict)
    altered: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def __call__(self, call: Call) -> Said | None:
        if call.operation == "LockSnapshot":
            self.locked[call.params["SnapshotId"]] = call.params
            return 200, "text/xml", f'<LockSnapshotResponse xmlns="{LOCKS}"/>'.encode()
        if call.operation == "DescribeLockedSnapshots":
            asked = [v for k, v in call.params.items() if k.startswith("SnapshotId.")]
            items = "".join(
                f"<item><snapshotId>{one}</snapshotId><lockState>governance</lockState></item>"
                for one in asked
                if one in self.locked
            )
            body = f'<R xmlns="{LOCKS}"><snapshotSet>{items}</snapshotSet></R>'
            return 200, "text/xml", body.encode()
        if call.service == "ebs":
            return self._block(call.path)
        return None

    def _block(self, path: str) -> Said:
        found = re.fullmatch(r"/snapshots/([^/]+)/blocks(?:/(\d+))?(?:\?.*)?", path)
        assert found, path
        held = self.altered.get(found.group(1), self.blocks)
        if found.group(2) is None:
            listed = [{"BlockIndex": i, "BlockToken": f"token{i}"} for i in held]
            said = {"Blocks": listed, "BlockSize": BLOCK, "VolumeSize": 8}
            return 200, "application/json", json.dumps(said).encode()
        data = held[int(found.group(2))]
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        more = {"x-amz-Checksum": checksum, "x-amz-Data-Length": str(len(data))}
        return 200, "application/octet-stream", data, more


@pytest.fixture
def storage(way: Door) -> Storage:
    made = Storage(blocks={0: b"\x01" * BLOCK, 7: b"\x02" * BLOCK, 9: bytes(BLOCK)})
    way.answering.append(made)
    return made


async def vault(far: Aws, **more: Any) -> SnapshotVault:
    key = (await far.call("kms", "create_key"))["KeyMetadata"]["Arn"]
    return SnapshotVault(cloud="vault", key=key, **more)


def snapshots(aws: Aws, estate: Estate, far: Aws, kept: SnapshotVault) -> VolumeSnapshots:
    instance = Instance(cloud="prod", id=estate.instance)
    return VolumeSnapshots(aws, "web1", instance, f"INC-{estate.instance}", far, kept)


async def carry(resource: VolumeSnapshots) -> None:
    await resource.write(True, key="k", until=None, tag="INC-1", record=None)


async def test_all_volumes_are_snapshotted_in_one_request_copied_locked_and_digested(
    aws: Aws, far: Aws, estate: Estate, storage: Storage, way: Door
) -> None:
    kept = await vault(far, lock="compliance", lock_days=30, cool_off_hours=12)
    resource = snapshots(aws, estate, far, kept)
    assert (await resource.read()).state is False
    way.calls.clear()
    await carry(resource)
    assert way.changes == ["CreateSnapshots", "CopySnapshot", "CopySnapshot"]
    assert (await resource.read()).state is False, "neither locked nor digested"
    await carry(resource)
    found = await resource.read()
    assert found.state is True
    assert (await resource.read()) == found

    record: Any = found.record
    assert sorted(one["gib"] for one in record["volumes"]) == [2, 8]
    assert {one["copy_encrypted"] for one in record["volumes"]} == {True}
    assert {one["copy_key"] for one in record["volumes"]} == {kept.key}
    expected = hashlib.sha256()
    for index in (0, 7):  # block 9 is all zeros
        expected.update(index.to_bytes(8, "big"))
        expected.update(hashlib.sha256(storage.blocks[index]).digest())
    assert {one["sha256"] for one in record["volumes"]} == {expected.hexdigest()}
    assert record["not_covered"] == ["memory", "tmpfs"]
    assert record["region"] == "eu-west-1"
    copies = {one["copy"] for one in record["volumes"]}
    assert set(storage.locked) == copies
    for params in storage.locked.values():
        asked = {k: params[k] for k in ("LockMode", "LockDuration", "CoolOffPeriod")}
        assert asked == {"LockMode": "compliance", "LockDuration": "30", "CoolOffPeriod": "12"}

    way.calls.clear()
    await carry(resource)
    assert way.changes == [], "never twice"


async def test_a_death_before_any_change_makes_nothing_twice(
    aws: Aws, far: Aws, storage: Storage, way: Door
) -> None:
    kept = await vault(far)
    for lose_answer in (False, True):
        for number in (1, 2, 3, 4, 5, 6):
            storage.locked.clear()
            estate = await build(aws, interfaces=1)
            resource = snapshots(aws, estate, far, kept)
            for attempt in range(4):
                if attempt == 0:
                    way.kill_at(number, lose_answer=lose_answer)
                try:
                    await carry(resource)
                except (Unreachable, RuntimeError):
                    assert attempt == 0 or way.dead
                if attempt == 1:
                    way.revive()
            found = await resource.read()
            assert found.state is True, number
            for one, region in ((aws, "eu-central-1"), (far, "eu-west-1")):
                tagged = {"Name": "tag:responder:case", "Values": [resource.name]}
                made = await one.call("ec2", "describe_snapshots", Filters=[tagged])
                assert len(made["Snapshots"]) == 2, (number, region)


async def test_while_aws_is_at_it_nothing_is_claimed(
    aws: Aws, far: Aws, estate: Estate, storage: Storage, way: Door
) -> None:
    resource = snapshots(aws, estate, far, await vault(far))
    await carry(resource)

    def still(call: Call) -> Said | None:
        # moto completes a snapshot at once: AWS's words for one that is not.
        if call.operation != "DescribeSnapshots":
            return None
        item = (
            "<item><snapshotId>snap-1</snapshotId><volumeId>vol-1</volumeId><status>pending</status>"
            "<progress>43%</progress><volumeSize>8</volumeSize></item>"
        )
        body = f'<R xmlns="{LOCKS}"><snapshotSet>{item}</snapshotSet></R>'
        return 200, "text/xml", body.encode()

    way.answering.insert(0, still)
    with pytest.raises(Unreachable, match="0 of 1 snapshots complete; snap-1 43%"):
        await resource.read()


async def test_a_copy_with_other_contents_is_never_called_kept(
    aws: Aws, far: Aws, estate: Estate, storage: Storage
) -> None:
    resource = snapshots(aws, estate, far, await vault(far))
    await carry(resource)
    made = await far.call(
        "ec2",
        "describe_snapshots",
        Filters=[{"Name": "tag:responder:case", "Values": [resource.name]}],
    )
    storage.altered[made["Snapshots"][0]["SnapshotId"]] = {0: b"\x03" * BLOCK}
    await carry(resource)
    with pytest.raises(RuntimeError, match=r"expected snap-\w+ to hold what snap-\w+ holds"):
        await resource.read()


async def test_a_volume_too_large_to_read_is_kept_and_said_to_have_no_digest(
    aws: Aws, far: Aws, estate: Estate, storage: Storage
) -> None:
    resource = snapshots(aws, estate, far, await vault(far, digest_up_to=4))
    await carry(resource)
    await carry(resource)
    record: Any = (await resource.read()).record
    digests = {one["gib"]: one["sha256"] is not None for one in record["volumes"]}
    assert digests == {8: False, 2: True}
    assert re.fullmatch(r"the content digest of vol-\w+ \(8 GiB\)", record["not_covered"][-1])


async def test_a_key_that_cannot_be_used_is_found_before_anything_is_made(
    aws: Aws, far: Aws, estate: Estate, storage: Storage, way: Door
) -> None:
    kept = await vault(far)
    # moto fails (HTTP 500) where AWS takes the ARN as well.
    await far.call("kms", "disable_key", KeyId=kept.key.rpartition("/")[2])
    resource = snapshots(aws, estate, far, kept)
    way.calls.clear()
    said = r"expected the key .* to be Enabled, found Disabled; nothing was made"
    with pytest.raises(Refused, match=said):
        await resource.read()
    with pytest.raises(Refused, match=said):
        await carry(resource)
    assert way.changes == []


async def test_a_volume_whose_key_another_account_may_not_use_is_found_before_anything_is_made(
    aws: Aws, far: Aws, estate: Estate, way: Door, colleague: Callable[[str], Any]
) -> None:
    key = (await aws.call("kms", "create_key"))["KeyMetadata"]["Arn"]
    ec2 = colleague("ec2")
    volume = ec2.create_volume(
        Size=1, AvailabilityZone="eu-central-1a", Encrypted=True, KmsKeyId=key
    )["VolumeId"]
    ec2.attach_volume(VolumeId=volume, InstanceId=estate.instance, Device="/dev/sdf")
    kept = await vault(far)
    # moto's second account has nothing of the first: only the check itself can be shown here.
    abroad = far.cloud.model_copy(update={"account": "210987654321"})
    resource = snapshots(aws, estate, far, kept)
    other = Aws(abroad)
    other.call, other.pages = far.call, far.pages  # type: ignore[method-assign]
    resource._vault_aws = other
    said = f"{volume}: expected a policy or a grant of the key .* for 210987654321, found none"
    with pytest.raises(Refused, match=said):
        await resource.read()
    await aws.call(
        "kms",
        "create_grant",
        KeyId=key,
        GranteePrincipal="arn:aws:iam::210987654321:role/forensics",
        Operations=["Decrypt", "DescribeKey", "CreateGrant"],
    )
    assert (await resource.read()).state is False


async def test_an_instance_store_is_named_as_not_covered(
    aws: Aws, far: Aws, estate: Estate, storage: Storage, colleague: Callable[[str], Any]
) -> None:
    resource = snapshots(aws, estate, far, await vault(far))
    colleague("ec2").modify_instance_attribute(
        InstanceId=estate.instance, InstanceType={"Value": "c5d.large"}
    )
    await carry(resource)
    await carry(resource)
    record: Any = (await resource.read()).record
    assert record["not_covered"] == ["memory", "tmpfs", "instance store (1 x 50 GB)"]


async def test_evidence_is_not_undone(aws: Aws, far: Aws, estate: Estate) -> None:
    resource = snapshots(aws, estate, far, await vault(far))
    with pytest.raises(RuntimeError, match="evidence is not undone; nothing was changed"):
        await resource.write(False, key="k", until=None, tag="", record=None)


async def test_the_digest_of_real_blocks_depends_on_each_and_on_its_place(aws: Aws) -> None:
    async def made(*blocks: tuple[int, bytes]) -> str:
        started = await aws.call(
            "ebs", "start_snapshot", VolumeSize=1, ClientToken=uuid.uuid4().hex
        )
        for index, data in blocks:
            await aws.call(
                "ebs",
                "put_snapshot_block",
                SnapshotId=started["SnapshotId"],
                BlockIndex=index,
                BlockData=data,
                DataLength=len(data),
                Checksum=base64.b64encode(hashlib.sha256(data).digest()).decode(),
                ChecksumAlgorithm="SHA256",
            )
        return await digest(aws, started["SnapshotId"])

    one, two, zeros = b"a" * BLOCK, b"b" * BLOCK, bytes(BLOCK)
    first = await made((0, one), (3, two))
    assert await made((3, two), (0, one)) == first, "in the order of the disk"
    assert await made((0, one), (1, zeros), (3, two)) == first, "zeros are as good as no block"
    assert len({first, await made((0, two), (3, one)), await made((0, one), (4, two))}) == 3


async def test_a_block_that_arrives_altered_is_unknown(aws: Aws) -> None:
    started = await aws.call("ebs", "start_snapshot", VolumeSize=1, ClientToken=uuid.uuid4().hex)
    await aws.call(
        "ebs",
        "put_snapshot_block",
        SnapshotId=started["SnapshotId"],
        BlockIndex=0,
        BlockData=b"a" * BLOCK,
        DataLength=BLOCK,
        Checksum=base64.b64encode(hashlib.sha256(b"what was sent").digest()).decode(),
        ChecksumAlgorithm="SHA256",
    )
    with pytest.raises(Unreachable, match="block 0 arrived with another checksum"):
        await digest(aws, started["SnapshotId"])
