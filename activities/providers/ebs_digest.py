"""A digest of what a snapshot holds, read block by block through the EBS direct API."""

import asyncio
import base64
import hashlib

from activities.aws import Aws
from responder.errors import Unreachable

PERMISSIONS = ("ebs:ListSnapshotBlocks", "ebs:GetSnapshotBlock", "kms:Decrypt")

_AT_ONCE = 8  # blocks of 512 KiB: as many as an account has threads


async def digest(aws: Aws, snapshot: str) -> str:
    """
    SHA-256, in hex, over every block of *snapshot* that is not all zeros, in the order of the disk.

    Of each block: its index in eight bytes, big-endian, then the SHA-256 of its data. Blocks of
    zeros are left out, since whether they are stored at all may differ between a snapshot and its
    copy. Each block is checked against the checksum that AWS sends with it. Raises `Unreachable`
    for a block that does not match.
    """
    listed = await aws.pages("ebs", "list_snapshot_blocks", "Blocks", SnapshotId=snapshot)
    blocks = sorted((int(one["BlockIndex"]), str(one["BlockToken"])) for one in listed)
    whole = hashlib.sha256()
    for start in range(0, len(blocks), _AT_ONCE):
        some = blocks[start : start + _AT_ONCE]
        read = await asyncio.gather(*(_block(aws, snapshot, i, token) for i, token in some))
        for (index, _), held in zip(some, read, strict=True):
            if held is not None:
                whole.update(index.to_bytes(8, "big") + held)
    return whole.hexdigest()


async def _block(aws: Aws, snapshot: str, index: int, token: str) -> bytes | None:
    """The SHA-256 of one block; None if it is all zeros."""
    said = await aws.call(
        "ebs", "get_snapshot_block", SnapshotId=snapshot, BlockIndex=index, BlockToken=token
    )
    data: bytes = said["BlockData"]
    held = await asyncio.to_thread(lambda: hashlib.sha256(data).digest())
    if base64.b64decode(said.get("Checksum") or "") != held:
        raise Unreachable(f"{snapshot}: block {index} arrived with another checksum than it left")
    return held if any(data) else None
