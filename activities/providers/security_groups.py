"""
Blocking with a security group: the ingress rules that let one network in are revoked.

A security group can only allow. So a rule for this network, or for a part of it, can be revoked;
one for a wider network cannot without cutting off everybody else in it, and then this point does
not block and says so. A flow that is tracked goes on after its rule is revoked (Amazon EC2 User
Guide, "Security group connection tracking"): this point stops what is new.
"""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_network
from typing import TypeGuard

from pydantic import Field, JsonValue, TypeAdapter

from activities.aws import Answer, Aws, AwsError
from activities.block import name_of
from activities.profile import Profile, Proof
from responder.cloud_points import SecurityGroupPoint
from responder.contract import Found
from responder.errors import Drifted
from responder.incident import Frozen, Network

PERMISSIONS = (
    "ec2:DescribeSecurityGroupRules",
    "ec2:GetManagedPrefixListEntries",
    "ec2:RevokeSecurityGroupIngress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateTags",
)
PROFILE = Profile(
    name="AWS security group",
    answers=("Block",),
    changes="ingress rules whose source is the network, or is inside it, are revoked; a wider rule is not, "
    "and then nothing is claimed. Connections that are open go on",
    permissions=PERMISSIONS,
    verified="the group's rules are read: none lets any of the network in",
    undone="the revoked rules are written again with their descriptions and tags, and get new ids. Nothing "
    "at AWS does that: without the runner they stay revoked",
    proof=Proof.EMULATOR,
    against="moto, which moves no packets",
)


class Rule(Frozen):
    """An ingress rule with everything that is needed to write it again."""

    protocol: str
    first: int
    last: int
    source: Network
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)

    @property
    def allows(self) -> tuple[str, int, int, Network]:
        """What it lets through; a group holds no two rules that let the same through."""
        return (self.protocol, self.first, self.last, self.source)

    def __str__(self) -> str:
        ports = str(self.first) if self.first == self.last else f"{self.first}-{self.last}"
        what = "everything" if self.protocol == "-1" else f"{self.protocol}/{ports}"
        return f"{what} from {self.source}"


_RULES: TypeAdapter[tuple[Rule, ...]] = TypeAdapter(tuple[Rule, ...])


class SecurityGroupBlock:
    """One network at one security group: whether no ingress rule lets any of it in."""

    expires_by_itself = False

    def __init__(self, aws: Aws, network: Network, point: SecurityGroupPoint) -> None:
        self._aws = aws
        self._network = network
        self._group = point.group
        self.name = f"block/{point.name}/{name_of(network)}"

    async def read(self) -> Found[bool]:
        letting, lists = await self._letting()
        narrow = sorted(
            (rule for _, rule in letting if _within(rule.source, self._network)), key=str
        )
        record = _RULES.dump_python(tuple(narrow), mode="json")
        return Found(state=not letting and not lists, record=record)

    async def fault(self) -> str:
        """Why a block would be refused here; empty if no wider rule lets the network in."""
        letting, lists = await self._letting()
        wide = [str(rule) for _, rule in letting if not _within(rule.source, self._network)]
        if not wide and not lists:
            return ""
        return (
            f"{self._group} allows {'; '.join([*sorted(wide), *lists])}: it blocks nobody in that"
        )

    async def write(
        self, state: bool, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        recorded = _RULES.validate_python(record or ())
        if state:
            await self._revoke(recorded)
        else:
            await self._authorize(recorded)

    async def _revoke(self, recorded: Sequence[Rule]) -> None:
        letting, lists = await self._letting()
        # All or nothing: what is revoked beside a rule that still lets the network in would cost
        # somebody a rule, and contain nobody.
        if wider := [str(r) for _, r in letting if not _within(r.source, self._network)]:
            raise RuntimeError(
                f"{self.name}: not contained at {self._group}: a security group can only allow, "
                f"and it allows {'; '.join(sorted(wider))}, which is wider than {self._network}; "
                "nothing was changed"
            )
        if lists:
            raise RuntimeError(
                f"{self.name}: not contained at {self._group}: the prefix list "
                f"{', '.join(sorted(lists))} lets it in, and is not ours to change; nothing was changed"
            )
        known = {rule.allows for rule in recorded}
        if new := [str(rule) for _, rule in letting if rule.allows not in known]:
            raise Drifted(
                f"{self.name}: {self._group} was changed since: expected {self._network} to be let "
                f"in by {len(recorded)} recorded rules only, found {'; '.join(sorted(new))}; "
                "it is left as it is, since nobody could put it back"
            )
        if letting:
            # One request for all of them: AWS revokes every one or none.
            await self._aws.call(
                "ec2",
                "revoke_security_group_ingress",
                GroupId=self._group,
                SecurityGroupRuleIds=[rule_id for rule_id, _ in letting],
            )

    async def _authorize(self, recorded: Sequence[Rule]) -> None:
        letting, _ = await self._letting()
        there = {rule.allows: rule for _, rule in letting}
        drifted = []
        for rule in recorded:
            now = there.get(rule.allows)
            if now is None:
                await self._put_back(rule)
            elif (now.description, now.tags) != (rule.description, rule.tags):
                drifted.append(
                    f"{rule}: expected {rule.description!r} {rule.tags}, "
                    f"found {now.description!r} {now.tags}"
                )
        if drifted:
            raise Drifted(f"{self.name} at {self._group}: {'; '.join(drifted)}; left as found")

    async def _put_back(self, rule: Rule) -> None:
        family = ("IpRanges", "CidrIp") if rule.source.version == 4 else ("Ipv6Ranges", "CidrIpv6")  # noqa: PLR2004 - IP version
        source = {family[1]: str(rule.source)}
        if rule.description:
            source["Description"] = rule.description
        permission: Answer = {"IpProtocol": rule.protocol, family[0]: [source]}
        if rule.protocol != "-1":
            permission |= {"FromPort": rule.first, "ToPort": rule.last}
        tags = [{"Key": key, "Value": value} for key, value in sorted(rule.tags.items())]
        tagged = {"ResourceType": "security-group-rule", "Tags": tags}
        more: Answer = {"TagSpecifications": [tagged]} if tags else {}
        try:
            await self._aws.call(
                "ec2",
                "authorize_security_group_ingress",
                GroupId=self._group,
                IpPermissions=[permission],
                **more,
            )
        except AwsError as error:
            if error.code != "InvalidPermission.Duplicate":  # by ourselves, before a lost answer
                raise

    async def _letting(self) -> tuple[list[tuple[str, Rule]], list[str]]:
        """The ingress rules, by id, that let any of the network in, and prefix lists that do."""
        said = await self._aws.pages(
            "ec2",
            "describe_security_group_rules",
            "SecurityGroupRules",
            Filters=[{"Name": "group-id", "Values": [self._group]}],
        )
        ingress = [one for one in said if not one["IsEgress"]]
        rules = [(one["SecurityGroupRuleId"], _rule(one)) for one in ingress if _source(one)]
        letting = [(i, r) for i, r in rules if _overlap(r.source, self._network)]
        asked = {one["PrefixListId"] for one in ingress if _text(one.get("PrefixListId"))}
        return letting, [one for one in sorted(asked) if await self._listed(one)]

    async def _listed(self, prefix_list: str) -> bool:
        entries = await self._aws.pages(
            "ec2", "get_managed_prefix_list_entries", "Entries", PrefixListId=prefix_list
        )
        return any(_overlap(ip_network(e["Cidr"], strict=False), self._network) for e in entries)


def _rule(said: Answer) -> Rule:
    return Rule(
        protocol=said["IpProtocol"],
        first=said.get("FromPort", -1),
        last=said.get("ToPort", -1),
        source=ip_network(_source(said), strict=False),
        description=said.get("Description") or "",
        tags={tag["Key"]: tag["Value"] for tag in said.get("Tags") or ()},
    )


def _source(said: Answer) -> str:
    """The network that a rule is for; empty if it is for a group or a prefix list."""
    return str(said.get("CidrIpv4") or said.get("CidrIpv6") or "")


def _text(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and bool(value)


def _overlap(one: Network, other: Network) -> bool:
    return one.version == other.version and one.overlaps(other)


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.subnet_of(outer)  # type: ignore[arg-type]  # of one version
