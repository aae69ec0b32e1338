"""
On-demand rotation of a KMS key (AWS KMS Developer Guide, "Perform on-demand key rotation").

AWS counts such rotations and allows a key only so many, and works on one for some time: while one is
going on none is asked for, and rotated is only what AWS lists as such.
"""

from datetime import datetime

from pydantic import JsonValue

from activities.aws import Aws
from activities.profile import Profile, Proof
from responder.contract import Found

PERMISSIONS = ("kms:GetKeyRotationStatus", "kms:ListKeyRotations", "kms:RotateKeyOnDemand")
PROFILE = Profile(
    name="AWS KMS",
    answers=("RotateKmsKey",),
    changes="new key material under the key's name; what older material encrypted goes on being decrypted",
    permissions=PERMISSIONS,
    verified="a rotation since the moment is among those that KMS lists",
    undone="not: KMS takes no rotation back",
    proof=Proof.EMULATOR,
    against="moto, which rotates at once; AWS takes its time, and refuses some keys",
)


class KmsKey:
    """Whether a key was rotated since a moment."""

    expires_by_itself = False

    def __init__(self, aws: Aws, cloud: str, key: str, since: datetime) -> None:
        self._aws = aws
        self._key = key
        self._since = since
        self.name = f"kms/{cloud}/{key}/{since:%Y-%m-%dT%H:%M:%SZ}"

    async def read(self) -> Found[bool]:
        rows = await self._aws.pages("kms", "list_key_rotations", "Rotations", KeyId=self._key)
        dates = sorted(row["RotationDate"] for row in rows)
        return Found(
            state=any(date >= self._since for date in dates), record={"rotations": len(dates)}
        )

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if not state:
            raise RuntimeError(f"{self.name}: a rotation cannot be taken back")
        if (await self.read()).state:
            return
        status = await self._aws.call("kms", "get_key_rotation_status", KeyId=self._key)
        if status.get("OnDemandRotationStartDate") is None:
            await self._aws.call("kms", "rotate_key_on_demand", once=True, KeyId=self._key)
