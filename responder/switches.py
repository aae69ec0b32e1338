"""The switches and hypervisors that hosts hang on, as settings describe them."""

from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from responder.access import Access
from responder.incident import Frozen, Name
from responder.policy.segments import Address

# What Linux accepts as the name of an interface: IFNAMSIZ (16 with its NUL), no slash, no space.
Interface = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.@-]{0,14}$")]
Mac = Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{2}:){5}[0-9a-f]{2}$")]


class SwitchPort(Frozen):
    """Where one host hangs on a switch."""

    host: Name = Field(description="The host's name in the inventory.")
    interface: Interface | None = Field(
        default=None, description="The switch's interface that leads to this host alone."
    )
    mac: Mac | None = Field(
        default=None,
        description="The host's MAC address, where it has no port of its own; root on it can change it.",
    )

    @model_validator(mode="after")
    def _names_something(self) -> "SwitchPort":
        if self.interface is None and self.mac is None:
            raise ValueError(f"{self.host}: expected an interface or a mac, found neither")
        return self


class Switch(Frozen):
    """A Linux bridge with nftables, reached over SSH: a switch or a hypervisor."""

    name: Name = Field(description="Its name, as shown in plans.")
    access: Access = Field(description="How to reach it.")
    ports: tuple[SwitchPort, ...] = Field(description="Which host hangs where.")
    gateways: tuple[Address, ...] = Field(
        default=(),
        description="Routers that an isolated host may resolve (ARP, neighbour discovery), if what it "
        "keeps is behind them.",
    )
    nft: str = Field(default="/usr/sbin/nft", description="The nft binary there.")

    @model_validator(mode="after")
    def _one_port_a_host(self) -> "Switch":
        hosts = [port.host for port in self.ports]
        if twice := sorted({host for host in hosts if hosts.count(host) > 1}):
            raise ValueError(f"{self.name}: {', '.join(twice)} has two ports; expected one")
        return self

    def port(self, host: str) -> SwitchPort | None:
        """Where *host* hangs on this switch."""
        return next((port for port in self.ports if port.host == host), None)
