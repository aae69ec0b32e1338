"""The enforcement points at which addresses are blocked, as settings describe them."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from responder.access import Access
from responder.cloud_points import NetworkAclPoint, SecurityGroupPoint, WafPoint
from responder.incident import Frozen, Name


class NftablesPoint(Frozen):
    """A Linux firewall with nftables."""

    kind: Literal["nftables"] = Field(default="nftables", description="A Linux firewall.")
    name: Name = Field(description="The point's name, as shown in plans.")
    access: Access = Field(description="How to reach the firewall.")
    table: str = Field(
        default="responder", pattern=r"^[a-z][a-z0-9_]{0,30}$", description="Our own table there."
    )
    nft: str = Field(default="/usr/sbin/nft", description="The nft binary there.")


class Consumer(Frozen):
    """A firewall that polls the blocklist feed."""

    name: Name = Field(description="Who polls, as shown in plans.")
    token: SecretStr = Field(description="What it sends as `Authorization: Bearer …`.")


class FeedPoint(Frozen):
    """The blocklist feed: contained there means polled by every consumer since the change."""

    kind: Literal["feed"] = Field(default="feed", description="A list that firewalls poll.")
    name: Name = Field(default="blocked", description="It is served at `/feeds/<name>.txt`.")
    consumers: tuple[Consumer, ...] = Field(default=(), description="Who polls it.")


Point = Annotated[
    NftablesPoint | FeedPoint | WafPoint | NetworkAclPoint | SecurityGroupPoint,
    Field(discriminator="kind"),
]
