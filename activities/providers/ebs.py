"""
Snapshots of an instance's volumes: made at one moment, copied away, locked, and digested.

Snapshots take minutes to hours, so nothing waits for them in a thread. Each writing does whatever
can be done now; a reading says False while there is something to do, and is `Unreachable` while
AWS is still at it. What was made is found again by its tags: nothing is made twice.
"""

from datetime import datetime

from pydantic import JsonValue

from activities.aws import Answer, Aws
from activities.profile import Profile, Proof
from activities.providers import ebs_digest, ebs_keys
from activities.providers.ebs_coverage import uncovered_of
from activities.providers.ebs_digest import digest
from responder.cloud import Instance, SnapshotVault
from responder.contract import Found
from responder.errors import Refused, Unreachable
from responder.incident import Frozen

PERMISSIONS = (
    *ebs_keys.PERMISSIONS,
    "ec2:CreateSnapshots",
    "ec2:CreateTags",
    "ec2:DescribeInstanceTypes",
    "ec2:DescribeInstances",
    "ec2:DescribeSnapshots",
    "ec2:DescribeVolumes",
    "ec2:ModifySnapshotAttribute",
    *ebs_digest.PERMISSIONS,
)
VAULT_PERMISSIONS = (
    *ebs_digest.PERMISSIONS,
    "ec2:CopySnapshot",
    "ec2:CreateTags",
    "ec2:DescribeLockedSnapshots",
    "ec2:DescribeSnapshots",
    "ec2:LockSnapshot",
    "kms:CreateGrant",
    "kms:DescribeKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncrypt*",
)
PROFILE = Profile(
    name="Amazon EBS",
    answers=("SnapshotVolumes",),
    changes="snapshots of all volumes in one request, copies of them in another account or region under a "
    "key there, locks on the copies, tags",
    permissions=(*PERMISSIONS, *(f"in the vault: {one}" for one in VAULT_PERMISSIONS)),
    verified="copies are complete, encrypted and locked, and the SHA-256 of their blocks is that of the source",
    undone="not: evidence is kept, and its lock ends when it was set to",
    proof=Proof.EMULATOR,
    against="moto; locks and the blocks of snapshots in the form that AWS documents",
)

CASE, SOURCE, SHA256 = "responder:case", "responder:source", "responder:sha256"


class _Pair(Frozen):
    """One volume's snapshot and its copy, as far as they are."""

    source: Answer
    copied: Answer | None = None
    locked: bool = False

    @property
    def id(self) -> str:
        return str(self.source["SnapshotId"])


class VolumeSnapshots:
    """Every volume of one host for one incident: whether all of it is kept."""

    expires_by_itself = False

    def __init__(
        self,
        aws: Aws,
        host: str,
        instance: Instance,
        incident: str,
        vault_aws: Aws,
        vault: SnapshotVault,
    ) -> None:
        self._aws = aws
        self._host = host
        self._instance = instance.id
        self._incident = incident
        self._vault_aws = vault_aws
        self._vault = vault
        self.name = f"volumes/{incident}/{host}"

    async def read(self) -> Found[bool]:
        pairs = await self._pairs()
        if not pairs:
            await self._check()
            return Found(state=False)
        copies = [pair.copied for pair in pairs if pair.copied is not None]
        self._wait("snapshots", [pair.source for pair in pairs])
        if len(copies) < len(pairs):
            return Found(state=False)
        self._wait("copies", copies)
        if not all(pair.locked and self._digested(pair) for pair in pairs):
            return Found(state=False)
        return Found(state=True, record=await self._record(pairs))

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if not state:
            raise RuntimeError(f"{self.name}: evidence is not undone; nothing was changed")
        if not await self._pairs():
            await self._check()
            await self._create()
        for pair in await self._pairs():
            if pair.source["State"] != "completed":
                continue
            if pair.copied is None:
                await self._copy(pair)
            elif pair.copied["State"] == "completed":
                if not pair.locked:
                    await self._lock(pair.copied["SnapshotId"])
                await self._digest(pair)

    async def _check(self) -> None:
        """Refuse, before anything is made, what could not be brought to its end."""
        volumes = await self._volumes()
        if not volumes:
            raise Refused(f"{self.name}: expected volumes at {self._instance}, found none")
        found = await ebs_keys.faults(self._aws, volumes, self._vault_aws, self._vault)
        if found:
            raise Refused(f"{self.name}: {'; '.join(found)}; nothing was made")

    async def _create(self) -> None:
        # One request for all volumes: they are of one moment, as after a power cut.
        await self._aws.call(
            "ec2",
            "create_snapshots",
            once=True,
            InstanceSpecification={"InstanceId": self._instance, "ExcludeBootVolume": False},
            Description=f"{self._incident}: evidence of {self._host}",
            TagSpecifications=[self._tags()],
        )

    async def _copy(self, pair: _Pair) -> None:
        here, there = self._aws.cloud, self._vault_aws.cloud
        if here.account != there.account:
            await self._aws.call(
                "ec2",
                "modify_snapshot_attribute",
                SnapshotId=pair.id,
                Attribute="createVolumePermission",
                OperationType="add",
                UserIds=[there.account],
            )
        await self._vault_aws.call(
            "ec2",
            "copy_snapshot",
            once=True,
            SourceRegion=here.region,
            SourceSnapshotId=pair.id,
            Encrypted=True,
            KmsKeyId=self._vault.key,
            Description=f"{self._incident}: evidence of {self._host}, copy of {pair.id}",
            TagSpecifications=[self._tags(**{SOURCE: pair.id})],
        )

    async def _lock(self, snapshot: str) -> None:
        compliance = self._vault.lock == "compliance"
        cool_off: Answer = {"CoolOffPeriod": self._vault.cool_off_hours} if compliance else {}
        await self._vault_aws.call(
            "ec2",
            "lock_snapshot",
            SnapshotId=snapshot,
            LockMode=self._vault.lock,
            LockDuration=self._vault.lock_days,
            **cool_off,
        )

    async def _digest(self, pair: _Pair) -> None:
        if self._digested(pair) or pair.copied is None:
            return
        for aws, snapshot in ((self._aws, pair.source), (self._vault_aws, pair.copied)):
            if not _tag(snapshot, SHA256):
                found = await digest(aws, snapshot["SnapshotId"])
                tags = [{"Key": SHA256, "Value": found}]
                await aws.call("ec2", "create_tags", Resources=[snapshot["SnapshotId"]], Tags=tags)

    def _digested(self, pair: _Pair) -> bool:
        """Whether both ends were read and agree, or are too large to be read."""
        if pair.copied is None:
            return False
        if self._too_large(pair.source):
            return True
        here, there = _tag(pair.source, SHA256), _tag(pair.copied, SHA256)
        if here and there and here != there:
            raise RuntimeError(
                f"{self.name}: expected {pair.copied['SnapshotId']} to hold what {pair.id} holds "
                f"({here}), found {there}; both are kept"
            )
        return bool(here and there)

    def _too_large(self, snapshot: Answer) -> bool:
        return int(snapshot["VolumeSize"]) > self._vault.digest_up_to

    def _wait(self, what: str, snapshots: list[Answer]) -> None:
        """Raise `Unreachable` while AWS still works at some of these; an error is a fault."""
        if bad := [one["SnapshotId"] for one in snapshots if one["State"] == "error"]:
            raise RuntimeError(f"{self.name}: AWS could not finish {', '.join(bad)}")
        waiting = [one for one in snapshots if one["State"] != "completed"]
        if waiting:
            done = ", ".join(f"{o['SnapshotId']} {o.get('Progress') or '0%'}" for o in waiting)
            ready = len(snapshots) - len(waiting)
            raise Unreachable(f"{self.name}: {ready} of {len(snapshots)} {what} complete; {done}")

    async def _pairs(self) -> list[_Pair]:
        sources = await self._tagged(self._aws)
        if not sources:
            return []
        copies = await self._tagged(self._vault_aws)
        by_source = {of: one for one in copies if (of := _tag(one, SOURCE))}
        locked = await self._locked([str(one["SnapshotId"]) for one in by_source.values()])
        found = []
        for source in sources:
            if _tag(source, SOURCE):
                continue  # a copy, where the vault is this account and region
            copied = by_source.get(source["SnapshotId"])
            held = copied is not None and copied["SnapshotId"] in locked
            found.append(_Pair(source=source, copied=copied, locked=held))
        return found

    async def _tagged(self, aws: Aws) -> list[Answer]:
        ours = {"Name": f"tag:{CASE}", "Values": [self.name]}
        found = await aws.pages(
            "ec2", "describe_snapshots", "Snapshots", OwnerIds=["self"], Filters=[ours]
        )
        return sorted(found, key=lambda one: str(one["VolumeId"]))

    async def _locked(self, snapshots: list[str]) -> set[str]:
        if not snapshots:
            return set()
        said = await self._vault_aws.call("ec2", "describe_locked_snapshots", SnapshotIds=snapshots)
        return {one["SnapshotId"] for one in said["Snapshots"] if one["LockState"] != "expired"}

    async def _volumes(self) -> list[Answer]:
        attached = {"Name": "attachment.instance-id", "Values": [self._instance]}
        return await self._aws.pages("ec2", "describe_volumes", "Volumes", Filters=[attached])

    async def _record(self, pairs: list[_Pair]) -> JsonValue:
        kept: list[JsonValue] = []
        uncovered = await uncovered_of(self._aws, self._instance)
        for pair in pairs:
            assert pair.copied is not None
            volume, size = pair.source["VolumeId"], pair.source["VolumeSize"]
            if self._too_large(pair.source):
                uncovered.append(f"the content digest of {volume} ({size} GiB)")
            kept.append(
                {
                    "volume": volume,
                    "snapshot": pair.id,
                    "copy": pair.copied["SnapshotId"],
                    "gib": size,
                    "encrypted": bool(pair.source.get("Encrypted")),
                    "copy_encrypted": bool(pair.copied.get("Encrypted")),
                    "copy_key": pair.copied.get("KmsKeyId"),
                    "sha256": _tag(pair.source, SHA256) or None,
                }
            )
        vault = self._vault_aws.cloud
        return {
            "volumes": kept,
            "account": vault.account,
            "region": vault.region,
            "lock": f"{self._vault.lock}, {self._vault.lock_days} days",
            "not_covered": list(uncovered),
        }

    def _tags(self, **more: str) -> Answer:
        tags = {
            CASE: self.name,
            "responder:incident": self._incident,
            "responder:host": self._host,
            **more,
        }
        listed = [{"Key": key, "Value": value} for key, value in tags.items()]
        return {"ResourceType": "snapshot", "Tags": listed}


def _tag(snapshot: Answer, key: str) -> str:
    return next((str(t["Value"]) for t in snapshot.get("Tags", ()) if t["Key"] == key), "")
