"""
Blocking with AWS WAF: one network in an IP set, beside other people's.

Every update replaces the whole set, so it is a compare-and-set: the lock token of the reading goes
with it, and a lost race is run again from a fresh reading (AWS WAF API Reference, UpdateIPSet).
"""

from collections.abc import Iterable
from datetime import datetime
from ipaddress import IPv4Network, ip_network

from pydantic import JsonValue

from activities.aws import Answer, Aws, AwsError
from activities.block import name_of
from activities.profile import Profile, Proof
from responder.cloud_points import Named, WafPoint
from responder.contract import Found
from responder.errors import Unreachable
from responder.incident import Network

PERMISSIONS = ("wafv2:GetIPSet", "wafv2:UpdateIPSet", "wafv2:GetWebACL")
PROFILE = Profile(
    name="AWS WAF",
    answers=("Block",),
    changes="an address or network in an IP set that a web ACL blocks; requests through that web ACL are "
    "refused, connections are not ended",
    permissions=PERMISSIONS,
    verified="the set is read, and the web ACL is looked at for a rule that blocks it",
    undone="the entry is taken out; other entries are not touched. Nothing at AWS ends it: without the "
    "runner it stays",
    proof=Proof.EMULATOR,
    against="moto, which moves no packets",
)

_MOST = 10_000  # addresses in one set (AWS WAF Developer Guide, "AWS WAF quotas")
_ROUNDS = 5
_CLOUDFRONT_REGION = "us-east-1"  # the only endpoint of scope CLOUDFRONT (API Reference, GetIPSet)


class WafBlock:
    """One network at one pair of IP sets: whether it is in the set and a web ACL blocks the set."""

    expires_by_itself = False

    def __init__(self, aws: Aws, network: Network, point: WafPoint) -> None:
        self._aws = aws
        self._network = network
        self._set = point.v4 if isinstance(network, IPv4Network) else point.v6
        self._web_acl = point.web_acl
        self._scope = point.scope
        self._region = _CLOUDFRONT_REGION if point.scope == "CLOUDFRONT" else ""
        self.name = f"block/{point.name}/{name_of(network)}"

    async def read(self) -> Found[bool]:
        held = (await self._get("get_ip_set", self._set))["IPSet"]
        listed = self._network in _networks(held["Addresses"])
        return Found(state=listed and await self._in_force(held["ARN"]), record={"listed": listed})

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        if self._network.prefixlen == 0:
            raise ValueError(f"{self.name}: AWS WAF has no /0; nothing was changed")
        async with self._aws.turn(self._set.id):
            await self._compare_and_set(state=state)

    async def _compare_and_set(self, *, state: bool) -> None:
        for _ in range(_ROUNDS):
            got = await self._get("get_ip_set", self._set)
            held = got["IPSet"]
            before = list(held["Addresses"])
            # Everybody else's entries go back as they were spelled.
            after = [one for one in before if ip_network(one, strict=False) != self._network]
            if state:
                after = [*after, str(self._network)]
            if state and not await self._in_force(held["ARN"]):
                raise RuntimeError(
                    f"{self.name}: not contained: expected a rule of the web ACL "
                    f"{self._web_acl.name} that blocks the IP set {self._set.name}, found none; "
                    "nothing was changed"
                )
            if state == (self._network in _networks(before)):
                return
            if len(after) > _MOST:
                raise RuntimeError(
                    f"{self.name}: the IP set {self._set.name} is full: it holds {len(before)} of "
                    f"{_MOST} addresses; nothing was changed"
                )
            if await self._update(after, held, got["LockToken"]):
                return
        raise Unreachable(
            f"{self.name}: the IP set {self._set.name} changed {_ROUNDS} times while it was being "
            "written; nothing of ours was changed"
        )

    async def _in_force(self, arn: str) -> bool:
        """Whether the web ACL blocks what is in the set: a set that no rule names stops nothing."""
        acl = (await self._get("get_web_acl", self._web_acl))["WebACL"]
        return any(_blocks(rule, arn) for rule in acl["Rules"])

    async def fault(self) -> str:
        """Why what is put into the set would stop nobody; empty if a rule blocks the set."""
        held = (await self._get("get_ip_set", self._set))["IPSet"]
        if await self._in_force(held["ARN"]):
            return ""
        return f"no rule of the web ACL {self._web_acl.name} blocks the IP set {self._set.name}"

    async def _update(self, addresses: list[str], held: Answer, token: str) -> bool:
        """Replace the set; False if somebody else did since the reading that gave *token*."""
        # What is left out is emptied.
        kept = {"Description": held["Description"]} if held.get("Description") else {}
        try:
            await self._aws.call(
                "wafv2",
                "update_ip_set",
                region=self._region,
                Name=self._set.name,
                Id=self._set.id,
                Scope=self._scope,
                Addresses=addresses,
                LockToken=token,
                **kept,
            )
        except AwsError as error:
            if error.code == "WAFOptimisticLockException":
                return False
            raise
        return True

    async def _get(self, operation: str, what: Named) -> Answer:
        return await self._aws.call(
            "wafv2",
            operation,
            region=self._region,
            Name=what.name,
            Id=what.id,
            Scope=self._scope,
        )


def _networks(addresses: Iterable[str]) -> set[Network]:
    return {ip_network(one, strict=False) for one in addresses}


def _blocks(rule: Answer, arn: str) -> bool:
    """Whether a web ACL's rule blocks what is in the IP set *arn*, whatever else it looks at."""
    return "Block" in rule.get("Action", {}) and _refers(rule["Statement"], arn)


def _refers(statement: Answer, arn: str) -> bool:
    # An AndStatement or NotStatement blocks less than the set holds, or the opposite of it.
    if statement.get("IPSetReferenceStatement", {}).get("ARN") == arn:
        return True
    return any(_refers(one, arn) for one in statement.get("OrStatement", {}).get("Statements", ()))
