"""Refuse traffic from a network, for a while."""

from datetime import timedelta
from typing import ClassVar

from pydantic import Field, field_validator

from responder.contract import Action
from responder.incident import Indicators, Network
from responder.policy.networks import parse_network
from responder.policy.tiers import Tier


class Block(Action[bool]):
    """Drop packets from one network; its state at a firewall is whether that already does."""

    tier: ClassVar[Tier] = Tier.T1
    # By kind of point: an account needs those of its own kind only.
    permissions: ClassVar[tuple[str, ...]] = (
        "nftables: nft, flock, ss -K, conntrack -D",
        "iptables: ipset, iptables, ip6tables, flock, ss -K, conntrack -D",
        "pf: pfctl",
        "feed: each consumer's token",
        "AWS WAF: wafv2:GetIPSet, UpdateIPSet, GetWebACL",
        "AWS network ACL: ec2:DescribeNetworkAcls, CreateNetworkAclEntry, DeleteNetworkAclEntry",
        (
            "AWS security group: ec2:DescribeSecurityGroupRules, GetManagedPrefixListEntries, "
            "RevokeSecurityGroupIngress, AuthorizeSecurityGroupIngress, CreateTags"
        ),
    )
    d3fend: ClassVar[str] = "D3-ITF"  # Inbound Traffic Filtering

    network: Network = Field(description="The network to refuse; one address is a /32 or /128.")
    lasts: timedelta | None = Field(
        default=timedelta(hours=24), gt=timedelta(0), description="How long it is held."
    )

    @field_validator("network", mode="before")
    @classmethod
    def _plainly_written(cls, value: object) -> object:
        return parse_network(value) if isinstance(value, str) else value

    def desired(self, before: bool) -> bool:
        return True

    def lapsed(self, state: bool) -> bool:
        return False

    def touches(self) -> Indicators:
        return Indicators(networks=(self.network,))

    def __str__(self) -> str:
        return f"block {name_of(self.network)}"


def name_of(network: Network) -> str:
    """A network as people write it: one address without its prefix length."""
    return str(network if network.num_addresses > 1 else network.network_address)
