"""
What must stay in service whatever is isolated: the last of a role, a quorum, what we run on. Pure.

A majority of n members is needed to go on, so at most floor((n - 1) / 2) may be missing: Raft
(Ongaro and Ousterhout 2014, section 5.1) and etcd's FAQ, "What is failure tolerance?".
"""

from collections.abc import Collection, Iterable, Sequence
from typing import Literal

from pydantic import Field

from responder.incident import Frozen, Name, Network

Keeps = Literal["runner", "temporal", "siem"]

_WHAT = {"runner": "the runner", "temporal": "Temporal", "siem": "the SIEM"}


class Quorum(Frozen):
    """A group that needs a majority of its members."""

    group: Name = Field(description="The group's name: `etcd`, `orders database`.")
    size: int = Field(ge=1, description="How many members it has, also those that are not ours.")

    @property
    def spare(self) -> int:
        """How many members may be missing."""
        return (self.size - 1) // 2


class Asset(Frozen):
    """A host of ours, as far as policy needs to know it."""

    name: Name
    networks: tuple[Network, ...] = ()
    protected: bool = False
    role: str = ""
    quorum: Quorum | None = None
    keeps: Keeps | None = None
    down: bool = False


class Availability(Frozen):
    """How much of what is ours may be out of service because we isolated it."""

    kinds: tuple[str, ...] = Field(
        default=("Isolate",), description="Actions that take a host out of service."
    )
    largest_share: int = Field(
        default=50,
        ge=1,
        le=99,
        description="Per cent of a role's hosts that may be isolated at once.",
    )


def loss(rules: Availability, assets: Sequence[Asset], host: str, isolated: Collection[str]) -> str:
    """
    Why *host* must not be isolated while *isolated* are; empty if it may.

    One that is isolated already is lost already: holding it longer costs nothing more.
    """
    asset = next((one for one in assets if one.name == host), None)
    if asset is None:
        return f"{host} is not in the inventory"
    if asset.keeps:
        return f"{host} keeps {_WHAT[asset.keeps]}, which is never isolated"
    if host in isolated:
        return ""
    return _of_its_quorum(assets, asset, isolated) or _of_its_role(rules, assets, asset, isolated)


def quorum_faults(assets: Iterable[Asset]) -> tuple[str, ...]:
    """Groups whose members disagree about its size, or are more than it, one line each."""
    groups: dict[str, list[Asset]] = {}
    for asset in assets:
        if asset.quorum:
            groups.setdefault(asset.quorum.group, []).append(asset)
    found = []
    for group, members in groups.items():
        sizes = sorted({one.quorum.size for one in members if one.quorum})
        if len(sizes) > 1:
            found.append(f"quorum {group}: its members give it sizes {', '.join(map(str, sizes))}")
        elif len(members) > sizes[0]:
            found.append(f"quorum {group}: of size {sizes[0]}, with {len(members)} members")
    return tuple(found)


def _of_its_quorum(assets: Sequence[Asset], asset: Asset, isolated: Collection[str]) -> str:
    if asset.quorum is None:
        return ""
    group, size = asset.quorum.group, asset.quorum.size
    members = [one for one in assets if one.quorum and one.quorum.group == group]
    missing = sorted(one.name for one in members if one.down or one.name in isolated)
    if asset.name in missing:
        return ""  # down already: its vote is not there to lose
    if len(missing) < asset.quorum.spare:
        return ""
    gone = f" ({', '.join(missing)})" if missing else ""
    return (
        f"{asset.name} is in the quorum {group} of {size}: at most {asset.quorum.spare} may be "
        f"missing, and {len(missing)} are{gone}"
    )


def _of_its_role(
    rules: Availability, assets: Sequence[Asset], asset: Asset, isolated: Collection[str]
) -> str:
    if not asset.role or asset.down:
        return ""
    members = [one for one in assets if one.role == asset.role]
    healthy = [one.name for one in members if not one.down and one.name not in isolated]
    if healthy == [asset.name]:
        return f"{asset.name} is the last healthy {asset.role} of {len(members)}"
    gone = sorted(one.name for one in members if one.name in isolated)
    most = len(members) * rules.largest_share // 100
    if len(gone) >= most:
        names = f" ({', '.join(gone)})" if gone else ""
        return (
            f"{asset.name} is one of {len(members)} {asset.role}: at most {most} "
            f"({rules.largest_share} %) may be isolated at once, and {len(gone)} are{names}"
        )
    return ""
