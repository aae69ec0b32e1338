"""
Blocking with a network ACL: a deny entry each way, before whatever would let the network through.

Network ACLs are stateless, and the first entry that matches decides (Amazon VPC User Guide,
"Network ACL rules"): so one entry stops what comes in, one what goes out, established or not.
Entries carry no tag and no comment. What is ours is known by its number's range alone.
"""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import IPv6Network, ip_network

from pydantic import JsonValue

from activities.aws import Answer, Aws, AwsError
from activities.block import name_of
from activities.profile import Profile, Proof
from responder.cloud_points import NetworkAclPoint
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Frozen, Network

PERMISSIONS = (
    "ec2:DescribeNetworkAcls",
    "ec2:CreateNetworkAclEntry",
    "ec2:DeleteNetworkAclEntry",
)
PROFILE = Profile(
    name="AWS network ACL",
    answers=("Block",),
    changes="a deny entry each way, in a range of numbers that is ours, below the first entry that allows "
    "the network; it is stateless, so open connections end as well",
    permissions=PERMISSIONS,
    verified="the entries are read, and that nothing before them allows the network",
    undone="our entries are deleted by network and range; entries of before stay. Nothing at AWS ends "
    "them: without the runner they stay",
    proof=Proof.EMULATOR,
    against="moto, which moves no packets and has no quota",
)

_ALL_PROTOCOLS = "-1"
_FINAL = 32767  # from here on the entries that nobody can change (VPC User Guide)
_ROUNDS = 5
_WAYS = {"ingress": False, "egress": True}


class _Entry(Frozen):
    number: int
    egress: bool
    allow: bool
    protocol: str
    network: Network


class NaclBlock:
    """One network at one network ACL: whether both ways are denied before any entry allows it."""

    expires_by_itself = False

    def __init__(self, aws: Aws, network: Network, point: NetworkAclPoint) -> None:
        self._aws = aws
        self._network = network
        self._point = point
        self.name = f"block/{point.name}/{name_of(network)}"

    async def read(self) -> Found[bool]:
        entries = await self._entries()
        ours = {way: self._ours(entries, egress=egress) for way, egress in _WAYS.items()}
        denied = all(
            bool(numbers) and numbers[0] < self._limit(entries, egress=_WAYS[way])
            for way, numbers in ours.items()
        )
        return Found(state=denied, record={way: list(numbers) for way, numbers in ours.items()})

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        async with self._aws.turn(self._point.acl):
            for way, egress in _WAYS.items():
                if state:
                    await self._deny(egress=egress)
                else:
                    await self._remove(_numbers(record, way), egress=egress)

    async def fault(self) -> str:
        """Why an entry could not be made now; empty if it could, one each way."""
        entries = await self._entries()
        try:
            for egress in _WAYS.values():
                self._free(entries, egress=egress, limit=self._limit(entries, egress=egress))
        except RuntimeError as error:
            return str(error)
        return ""

    async def _deny(self, *, egress: bool) -> None:
        way = "egress" if egress else "ingress"
        for _ in range(_ROUNDS):
            entries = await self._entries()
            limit = self._limit(entries, egress=egress)
            ours = self._ours(entries, egress=egress)
            if ours and ours[0] < limit:
                return
            number = self._free(entries, egress=egress, limit=limit)
            family = "Ipv6CidrBlock" if isinstance(self._network, IPv6Network) else "CidrBlock"
            where: Answer = {family: str(self._network)}
            try:
                await self._aws.call(
                    "ec2",
                    "create_network_acl_entry",
                    NetworkAclId=self._point.acl,
                    RuleNumber=number,
                    Protocol=_ALL_PROTOCOLS,
                    RuleAction="deny",
                    Egress=egress,
                    **where,
                )
            except AwsError as error:
                if error.code == "NetworkAclEntryAlreadyExists":
                    continue  # somebody took that number since the reading: look again
                if error.code in ("NetworkAclEntryLimitExceeded", "RulesPerAclLimitExceeded"):
                    raise RuntimeError(self._full(way)) from error
                raise
            return
        raise Unreachable(
            f"{self.name}: {_ROUNDS} rule numbers of {self._point.acl} were taken by somebody else "
            f"while one was being chosen; {way} is not denied"
        )

    async def _remove(self, kept: Sequence[int], *, egress: bool) -> None:
        """Delete our entries but those numbered *kept*, which were there before us."""
        entries = await self._entries()
        for number in self._ours(entries, egress=egress):
            if number in kept:
                continue
            try:
                await self._aws.call(
                    "ec2",
                    "delete_network_acl_entry",
                    NetworkAclId=self._point.acl,
                    RuleNumber=number,
                    Egress=egress,
                )
            except AwsError as error:
                if error.code != "InvalidNetworkAclEntry.NotFound":
                    raise

    async def _entries(self) -> list[_Entry]:
        found = await self._aws.pages(
            "ec2", "describe_network_acls", "NetworkAcls", NetworkAclIds=[self._point.acl]
        )
        if not found:
            raise Unreachable(f"{self.name}: AWS shows no network ACL {self._point.acl}")
        return sorted((_entry(e) for e in found[0]["Entries"]), key=lambda entry: entry.number)

    def _ours(self, entries: Sequence[_Entry], *, egress: bool) -> tuple[int, ...]:
        """The numbers, in our range, that deny exactly this network everything, lowest first."""
        return tuple(
            entry.number
            for entry in entries
            if entry.egress is egress
            and not entry.allow
            and entry.protocol == _ALL_PROTOCOLS
            and entry.network == self._network
            and self._point.first <= entry.number <= self._point.last
        )

    def _limit(self, entries: Sequence[_Entry], *, egress: bool) -> int:
        """The lowest number that allows any of this network anything; ours must be below."""
        allowing = (
            entry.number
            for entry in entries
            if entry.egress is egress
            and entry.allow
            and entry.network.version == self._network.version
            and entry.network.overlaps(self._network)
        )
        return next(allowing, _FINAL)

    def _free(self, entries: Sequence[_Entry], *, egress: bool, limit: int) -> int:
        way = "egress" if egress else "ingress"
        mine = [entry for entry in entries if entry.egress is egress and entry.number < _FINAL]
        if len(mine) >= self._point.quota:
            raise RuntimeError(self._full(way))
        taken = {entry.number for entry in mine}
        below = range(self._point.first, min(self._point.last + 1, limit))
        number = next((n for n in below if n not in taken), None)
        if number is None:
            raise RuntimeError(
                f"{self.name}: expected a free rule number in {self._point.first}-"
                f"{self._point.last} below {limit}, the first {way} entry of {self._point.acl} "
                f"that allows it, found none; {way} is not denied"
            )
        return number

    def _full(self, way: str) -> str:
        return (
            f"{self.name}: {self._point.acl} has as many {way} entries as its quota "
            f"({self._point.quota}) allows; {way} is not denied"
        )


def _entry(said: Answer) -> _Entry:
    return _Entry(
        number=said["RuleNumber"],
        egress=said["Egress"],
        allow=said["RuleAction"] == "allow",
        protocol=str(said["Protocol"]),
        network=ip_network(said.get("CidrBlock") or said["Ipv6CidrBlock"], strict=False),
    )


def _numbers(record: JsonValue, way: str) -> list[int]:
    found = record.get(way) if isinstance(record, dict) else None
    return [n for n in found if isinstance(n, int)] if isinstance(found, list) else []
