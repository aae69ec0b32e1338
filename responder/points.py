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


class IptablesPoint(Frozen):
    """A Linux firewall of before nftables: iptables and ipset."""

    kind: Literal["iptables"] = Field(
        default="iptables",
        description="A Linux firewall with iptables, ip6tables and ipset; a block there may last "
        "2147483 s (24 days), ipset's longest timeout: a longer one is refused by the point.",
    )
    name: Name = Field(description="The point's name, as shown in plans.")
    access: Access = Field(description="How to reach the firewall.")
    prefix: str = Field(
        default="responder",
        pattern=r"^[a-z][a-z0-9_]{0,20}$",
        description="What the names of our own sets and chains there begin with.",
    )
    ipset: str = Field(default="/usr/sbin/ipset", description="The ipset binary there.")
    iptables: str = Field(default="/usr/sbin/iptables", description="The iptables binary there.")
    ip6tables: str = Field(default="/usr/sbin/ip6tables", description="The ip6tables binary there.")


class PfPoint(Frozen):
    """A firewall with pf: macOS, FreeBSD or OpenBSD. Never run against a live pf."""

    kind: Literal["pf"] = Field(
        default="pf",
        description="A firewall with pf (macOS, FreeBSD, OpenBSD); never run against a live pf. "
        "pf ends nothing by itself: a block there lasts until we undo it.",
    )
    name: Name = Field(description="The point's name, as shown in plans.")
    access: Access = Field(description="How to reach the firewall.")
    anchor: str = Field(
        default="responder",
        pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,30}$",
        description="The anchor that holds our table and the rules that block by it.",
    )
    table: str = Field(
        default="responder",
        pattern=r"^[A-Za-z][A-Za-z0-9_-]{0,30}$",
        description="The persistent table in the anchor.",
    )
    pfctl: str = Field(default="/sbin/pfctl", description="The pfctl binary there.")


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
    NftablesPoint
    | IptablesPoint
    | PfPoint
    | FeedPoint
    | WafPoint
    | NetworkAclPoint
    | SecurityGroupPoint,
    Field(discriminator="kind"),
]
