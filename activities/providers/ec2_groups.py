"""
The two security groups that an instance is isolated with, in each VPC: made, found and checked.

A flow that is tracked goes on after its rule is gone. One that was let through by rules for
everybody in both directions is not tracked, and ends when no rule lets it through any more (Amazon
EC2 User Guide, "Security group connection tracking"). So interfaces pass through a group that
allows everything, *conversion*, into one that allows nothing but what an isolated host keeps.
"""

import hashlib
from collections.abc import Iterable, Sequence
from ipaddress import ip_network

from activities.aws import Answer, Aws, AwsError
from responder.incident import Frozen, Network
from responder.policy.segments import Flow

PERMISSIONS = (
    "ec2:AuthorizeSecurityGroupEgress",
    "ec2:AuthorizeSecurityGroupIngress",
    "ec2:CreateSecurityGroup",
    "ec2:CreateTags",
    "ec2:DeleteSecurityGroup",
    "ec2:DescribeSecurityGroupRules",
    "ec2:DescribeSecurityGroups",
    "ec2:RevokeSecurityGroupEgress",
    "ec2:RevokeSecurityGroupIngress",
)

TAG = "responder:quarantine"
_EVERYBODY = (ip_network("0.0.0.0/0"), ip_network("::/0"))
_LAST_PORT = 65535


class Rule(Frozen):
    """One rule of a group of ours."""

    egress: bool
    protocol: str
    first: int
    last: int
    network: Network


CONVERSION = frozenset(
    Rule(egress=egress, protocol="-1", first=-1, last=-1, network=network)
    for egress in (False, True)
    for network in _EVERYBODY
)


def kept(flows: Iterable[Flow]) -> frozenset[Rule]:
    """The rules that leave an isolated host *flows* and nothing else; answers need none of their own."""
    return frozenset(_rule(flow, network) for flow in flows for network in flow.networks)


def _rule(flow: Flow, network: Network) -> Rule:
    protocol, ports = flow.service.protocol, flow.service.ports
    first, last = (0, _LAST_PORT) if ports is None else (ports.first, ports.last)
    if protocol in ("any", "icmp"):
        first = last = -1
    six = network.version == 6  # noqa: PLR2004 - IP version
    words = {"any": "-1", "icmp": "icmpv6" if six else "icmp"}
    return Rule(
        egress=not flow.inbound,
        protocol=words.get(protocol, protocol),
        first=first,
        last=last,
        network=network,
    )


class Groups:
    """The quarantine groups of one account, for hosts that keep *flows*."""

    def __init__(self, aws: Aws, flows: Iterable[Flow]) -> None:
        self._aws = aws
        self._kept = kept(flows)
        # Each set of rules has a group of its own: a change of settings opens no isolated host.
        lines = sorted(rule.model_dump_json() for rule in self._kept)
        self._mark = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]

    async def closed(self, vpcs: Iterable[str]) -> dict[str, str]:
        """By VPC, the group of isolated hosts, where it is there with exactly its rules."""
        found = {}
        for vpc in dict.fromkeys(vpcs):
            group = await self._find(self._closed_name, vpc)
            if group is not None and await self._rules(group) == self._kept:
                found[vpc] = group
        return found

    async def ensure(self, vpc: str) -> tuple[str, str]:
        """The groups *conversion* and *isolated* of a VPC, with exactly their rules."""
        conversion = await self._ensure(self._name("conversion"), "conversion", vpc, CONVERSION)
        return conversion, await self._ensure(self._closed_name, "isolated", vpc, self._kept)

    async def ours(self, vpcs: Iterable[str]) -> frozenset[str]:
        """Every group in these VPCs that carries our tag and one of our names."""
        wanted = sorted(set(vpcs))
        if not wanted:
            return frozenset()
        found = await self._groups(vpcs=wanted)
        return frozenset(
            one["GroupId"]
            for one in found
            if _tagged(one) and one["GroupName"].startswith("responder-")
        )

    async def clear(self, vpcs: Iterable[str]) -> None:
        """Delete the groups of ours that no interface is in."""
        for group in sorted(await self.ours(vpcs)):
            using = await self._aws.pages(
                "ec2",
                "describe_network_interfaces",
                "NetworkInterfaces",
                Filters=[{"Name": "group-id", "Values": [group]}],
            )
            if using:
                continue
            try:
                await self._aws.call("ec2", "delete_security_group", GroupId=group)
            except AwsError as error:
                # Taken into use, or deleted, since we looked.
                if error.code not in ("DependencyViolation", "InvalidGroup.NotFound"):
                    raise

    @property
    def _closed_name(self) -> str:
        return self._name(f"isolated-{self._mark}")

    @staticmethod
    def _name(what: str) -> str:
        return f"responder-{what}"

    async def _ensure(self, name: str, what: str, vpc: str, rules: frozenset[Rule]) -> str:
        group = await self._find(name, vpc) or await self._create(name, what, vpc)
        await self._bring(group, rules)
        if (found := await self._rules(group)) != rules:
            raise RuntimeError(
                f"{group} ({name}, {vpc}): expected {len(rules)} rules of ours, found "
                f"{len(found)}; no interface was moved into it"
            )
        return group

    async def _find(self, name: str, vpc: str) -> str | None:
        for one in await self._groups(vpcs=[vpc], names=[name]):
            if not _tagged(one):
                raise RuntimeError(
                    f"{one['GroupId']} in {vpc} is named {name} without the tag {TAG}: expected a "
                    "group of ours, found somebody else's; no interface was moved into it"
                )
            return str(one["GroupId"])
        return None

    async def _groups(self, *, vpcs: Sequence[str], names: Sequence[str] = ()) -> list[Answer]:
        filters = [{"Name": "vpc-id", "Values": list(vpcs)}]
        if names:
            filters.append({"Name": "group-name", "Values": list(names)})
        return await self._aws.pages(
            "ec2", "describe_security_groups", "SecurityGroups", Filters=filters
        )

    async def _create(self, name: str, what: str, vpc: str) -> str:
        tags = [{"Key": TAG, "Value": what}, {"Key": "Name", "Value": name}]
        try:
            made = await self._aws.call(
                "ec2",
                "create_security_group",
                once=True,
                GroupName=name,
                Description=f"responder: {what} hosts. Its rules are kept as they are.",
                VpcId=vpc,
                TagSpecifications=[{"ResourceType": "security-group", "Tags": tags}],
            )
        except AwsError as error:
            if error.code == "InvalidGroup.Duplicate" and (found := await self._find(name, vpc)):
                return found  # made by another worker since we looked
            raise
        return str(made["GroupId"])

    async def _rules(self, group: str) -> frozenset[Rule | None]:
        """What a group lets through; None stands for a rule that none of ours could be."""
        return frozenset(_seen(one) for one in await self._listed(group))

    async def _listed(self, group: str) -> list[Answer]:
        return await self._aws.pages(
            "ec2",
            "describe_security_group_rules",
            "SecurityGroupRules",
            Filters=[{"Name": "group-id", "Values": [group]}],
        )

    async def _bring(self, group: str, wanted: frozenset[Rule]) -> None:
        """Give a group of ours its rules and no others: AWS makes new ones with an open way out."""
        listed = await self._listed(group)
        seen = [_seen(one) for one in listed]
        missing = [rule for rule in wanted if rule not in seen]
        for egress, way in ((False, "ingress"), (True, "egress")):
            extra = [
                one["SecurityGroupRuleId"]
                for one in listed
                if one["IsEgress"] is egress and _seen(one) not in wanted
            ]
            if extra:
                await self._aws.call(
                    "ec2",
                    f"revoke_security_group_{way}",
                    GroupId=group,
                    SecurityGroupRuleIds=extra,
                )
            if permissions := [_permission(rule) for rule in missing if rule.egress is egress]:
                await self._authorize(group, way, permissions)

    async def _authorize(self, group: str, way: str, permissions: list[Answer]) -> None:
        try:
            await self._aws.call(
                "ec2",
                f"authorize_security_group_{way}",
                GroupId=group,
                IpPermissions=permissions,
            )
        except AwsError as error:
            if error.code != "InvalidPermission.Duplicate":  # by another worker since we looked
                raise


def _tagged(group: Answer) -> bool:
    return any(tag["Key"] == TAG for tag in group.get("Tags", ()))


def _seen(said: Answer) -> Rule | None:
    source = said.get("CidrIpv4") or said.get("CidrIpv6")
    if not source:
        return None
    protocol = str(said["IpProtocol"])
    plain = protocol in ("-1", "icmp", "icmpv6")
    return Rule(
        egress=said["IsEgress"],
        protocol=protocol,
        first=-1 if plain else said["FromPort"],
        last=-1 if plain else said["ToPort"],
        network=ip_network(source),
    )


def _permission(rule: Rule) -> Answer:
    six = rule.network.version == 6  # noqa: PLR2004 - IP version
    ranges = {"Ipv6Ranges": [{"CidrIpv6": str(rule.network)}]}
    if not six:
        ranges = {"IpRanges": [{"CidrIp": str(rule.network)}]}
    ports = {} if rule.protocol == "-1" else {"FromPort": rule.first, "ToPort": rule.last}
    return {"IpProtocol": rule.protocol, **ranges, **ports}
