"""Keep the disks of a virtual machine as they are now, where its account cannot reach them."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from responder.contract import Action
from responder.incident import Indicators, Name
from responder.policy.tiers import Tier


class SnapshotVolumes(Action[bool]):
    """
    Snapshot every volume of a host at one moment, and copy, lock and digest the snapshots.

    Its state is whether all of that is done. It adds evidence and changes nothing of the host, so
    that nobody is asked; nothing undoes it, and its copies are kept for as long as they are locked.
    """

    reversible: ClassVar[bool] = False
    try_for: ClassVar[timedelta] = timedelta(
        hours=24
    )  # a first snapshot of a large volume takes hours
    longest: ClassVar[timedelta] = timedelta(hours=1)  # reading two times 64 GiB for their digests
    tier: ClassVar[Tier] = Tier.T0
    permissions: ClassVar[tuple[str, ...]] = (
        "ec2:CreateSnapshots",
        "ec2:CopySnapshot",
        "ec2:LockSnapshot",
        "ebs:GetSnapshotBlock",
    )

    host: Name = Field(description="The host's name in the inventory.")
    incident: Name = Field(
        description="The incident's number; each incident has snapshots of its own."
    )

    def desired(self, before: bool) -> bool:
        return True

    def touches(self) -> Indicators:
        return Indicators(hosts=(self.host,))

    def __str__(self) -> str:
        return f"snapshot the volumes of {self.host}"
