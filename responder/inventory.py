"""What is ours: hosts with their addresses and how to reach them, and the enforcement points."""

from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from responder.incident import Frozen, Name, Network
from responder.policy.judge import Asset

Address = IPv4Address | IPv6Address


class OverSSH(Frozen):
    """A Linux host that is reached over SSH."""

    via: Literal["ssh"] = Field(default="ssh", description="Over SSH.")
    address: str = Field(description="Host name or address of its sshd.")
    port: int = Field(default=22, ge=1, le=65535, description="The port of its sshd.")
    user: str = Field(default="root", description="The account to sign in as.")
    key_file: Path = Field(description="The private key (OpenSSH format) to sign in with.")
    host_key: str = Field(
        description="The host's public key, `ssh-ed25519 AAAA…`; any other is refused.",
        pattern=r"^(ssh-ed25519|ecdsa-sha2-nistp\d+|rsa-sha2-512|ssh-rsa) [A-Za-z0-9+/=]+",
    )
    sudo: bool = Field(default=False, description="Put `sudo -n` before commands.")


class Local(Frozen):
    """Commands run on this machine, behind an optional prefix such as `ip netns exec demo`."""

    via: Literal["local"] = Field(default="local", description="On this machine.")
    prefix: tuple[str, ...] = Field(default=(), description="Words put before each command.")


Access = Annotated[OverSSH | Local, Field(discriminator="via")]


class Host(Frozen):
    """A machine of ours."""

    name: Name = Field(description="Its name, as alerts call it.")
    addresses: tuple[Address, ...] = Field(default=(), description="Its addresses.")
    aliases: tuple[Name, ...] = Field(default=(), description="Other names and ids alerts use.")
    owner: str = Field(default="", description="Who answers for it.")
    segment: str = Field(default="", description="The network segment it is in.")
    protected: bool = Field(default=False, description="Cutting it off needs two people.")
    access: Access | None = Field(default=None, description="How to reach it; none: it is not.")

    @property
    def asset(self) -> Asset:
        """The host as policy knows it."""
        networks: tuple[Network, ...] = tuple(ip_network(a) for a in self.addresses)
        return Asset(name=self.name, networks=networks, protected=self.protected)


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


Point = Annotated[NftablesPoint | FeedPoint, Field(discriminator="kind")]


class Isolation(Frozen):
    """What an isolated host may still talk to."""

    management: tuple[Address, ...] = Field(
        default=(), description="Where SSH to it may come from: the runner and the bastions."
    )
    evidence: tuple[Address, ...] = Field(
        default=(), description="Evidence collectors that it may reach on port 22."
    )


class Inventory(Frozen):
    """Everything that is ours."""

    hosts: tuple[Host, ...] = Field(default=(), description="Machines of ours.")
    points: tuple[Point, ...] = Field(
        default=(FeedPoint(),), description="Where addresses are blocked: every point, each alone."
    )
    isolation: Isolation = Field(
        default=Isolation(), description="What an isolated host may still talk to."
    )

    def host(self, name: str) -> Host | None:
        """The host of this name or alias."""
        for host in self.hosts:
            if name == host.name or name in host.aliases:
                return host
        return None
