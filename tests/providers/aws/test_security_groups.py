"""Security-group ingress at moto: it keeps rules and their tags, and moves no packets."""

import uuid
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from activities.aws import Answer, Aws
from activities.providers.security_groups import SecurityGroupBlock
from responder.cloud_points import SecurityGroupPoint
from responder.errors import Drifted, Unreachable
from tests.providers.aws.server import Door

ATTACKER = ip_network("203.0.113.9")
ATTACKER_V6 = ip_network("2001:db8::9")


@pytest.fixture
async def point(aws: Aws) -> SecurityGroupPoint:
    vpc = (await aws.call("ec2", "create_vpc", CidrBlock="10.9.0.0/16"))["Vpc"]["VpcId"]
    made = await aws.call(
        "ec2",
        "create_security_group",
        GroupName=f"web-{uuid.uuid4().hex[:8]}",
        Description="web",
        VpcId=vpc,
    )
    return SecurityGroupPoint(name="web", cloud="prod", group=made["GroupId"])


async def allow(aws: Aws, group: str, cidr: str, port: int, said: str = "", **tags: str) -> None:
    family = ("Ipv6Ranges", "CidrIpv6") if ":" in cidr else ("IpRanges", "CidrIp")
    source = {family[1]: cidr, **({"Description": said} if said else {})}
    tagged = [{"Key": key, "Value": value} for key, value in tags.items()]
    more: Answer = (
        {"TagSpecifications": [{"ResourceType": "security-group-rule", "Tags": tagged}]}
        if tags
        else {}
    )
    await aws.call(
        "ec2",
        "authorize_security_group_ingress",
        GroupId=group,
        IpPermissions=[
            {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, family[0]: [source]}
        ],
        **more,
    )


async def rules(aws: Aws, group: str) -> list[Answer]:
    """Every rule but for its id, which AWS gives anew to a rule that is written again."""
    said = await aws.call(
        "ec2",
        "describe_security_group_rules",
        Filters=[{"Name": "group-id", "Values": [group]}],
    )
    found = [
        {k: v for k, v in one.items() if not k.startswith("SecurityGroupRule")}
        for one in said["SecurityGroupRules"]
    ]
    return sorted(found, key=str)


async def carry(resource: SecurityGroupBlock, state: bool, record: Any = None) -> None:
    await resource.write(state, key="k", until=None, tag="INC-1", record=record)


async def test_rules_for_the_network_and_inside_it_are_revoked_and_written_again_as_they_were(
    aws: Aws, point: SecurityGroupPoint
) -> None:
    await allow(aws, point.group, "203.0.113.9/32", 22, "the contractor", owner="ana", ticket="7")
    await allow(aws, point.group, "203.0.113.0/25", 443)
    await allow(aws, point.group, "198.51.100.0/24", 443, "the office")
    before = await rules(aws, point.group)
    assert any(tag["Value"] == "ana" for one in before for tag in one["Tags"])
    resource = SecurityGroupBlock(aws, ip_network("203.0.113.0/24"), point)
    base = await resource.read()
    assert not base.state

    await carry(resource, True, base.record)
    assert (await resource.read()).state
    assert len(await rules(aws, point.group)) == len(before) - 2

    await carry(resource, False, base.record)
    assert await rules(aws, point.group) == before


async def test_ipv6_rules_too(aws: Aws, point: SecurityGroupPoint) -> None:
    await allow(aws, point.group, "2001:db8::9/128", 22, "a way in")
    before = await rules(aws, point.group)
    resource = SecurityGroupBlock(aws, ATTACKER_V6, point)
    base = await resource.read()
    await carry(resource, True, base.record)
    assert (await resource.read()).state
    await carry(resource, False, base.record)
    assert await rules(aws, point.group) == before


async def test_a_group_that_lets_nobody_in_blocks_already(
    aws: Aws, point: SecurityGroupPoint, way: Door
) -> None:
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    assert (await resource.read()).state
    way.calls.clear()
    await carry(resource, True, [])
    assert way.changes == []


@pytest.mark.parametrize("wide", ["0.0.0.0/0", "203.0.113.0/24"])
async def test_a_wider_rule_cannot_be_revoked_for_one_address_and_nothing_is_claimed(
    aws: Aws, point: SecurityGroupPoint, wide: str
) -> None:
    await allow(aws, point.group, wide, 443)
    await allow(aws, point.group, "203.0.113.9/32", 22)
    before = await rules(aws, point.group)
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    base = await resource.read()
    assert not base.state
    said = (
        rf"not contained at sg-.*allows tcp/443 from {wide}, which is wider .*nothing was changed"
    )
    with pytest.raises(RuntimeError, match=said):
        await carry(resource, True, base.record)
    assert await rules(aws, point.group) == before


async def test_a_prefix_list_that_lets_it_in_is_not_ours_to_change(
    aws: Aws, point: SecurityGroupPoint
) -> None:
    made = await aws.call(
        "ec2",
        "create_managed_prefix_list",
        PrefixListName="partners",
        MaxEntries=5,
        AddressFamily="IPv4",
        Entries=[{"Cidr": "203.0.113.0/24", "Description": "a partner"}],
    )
    listed = made["PrefixList"]["PrefixListId"]
    permission = {
        "IpProtocol": "tcp",
        "FromPort": 443,
        "ToPort": 443,
        "PrefixListIds": [{"PrefixListId": listed}],
    }
    await aws.call(
        "ec2",
        "authorize_security_group_ingress",
        GroupId=point.group,
        IpPermissions=[permission],
    )
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    base = await resource.read()
    assert not base.state
    with pytest.raises(RuntimeError, match=f"the prefix list {listed} lets it in"):
        await carry(resource, True, base.record)
    assert (await SecurityGroupBlock(aws, ip_network("192.0.2.1"), point).read()).state


async def test_a_rule_that_came_since_is_not_revoked_for_it_could_not_be_put_back(
    aws: Aws, point: SecurityGroupPoint
) -> None:
    await allow(aws, point.group, "203.0.113.9/32", 22)
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    base = await resource.read()
    await carry(resource, True, base.record)
    await allow(aws, point.group, "203.0.113.9/32", 8080, "somebody's new rule")
    assert not (await resource.read()).state
    with pytest.raises(Drifted, match=r"found tcp/8080 from 203.0.113.9/32; it is left as it is"):
        await carry(resource, True, base.record)


async def test_a_rule_that_somebody_wrote_again_is_revoked_again(
    aws: Aws, point: SecurityGroupPoint
) -> None:
    await allow(aws, point.group, "203.0.113.9/32", 22, "first")
    before = await rules(aws, point.group)
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    base = await resource.read()
    await carry(resource, True, base.record)
    await allow(aws, point.group, "203.0.113.9/32", 22, "by a template, again")
    await carry(resource, True, base.record)
    assert (await resource.read()).state
    await carry(resource, False, base.record)
    assert await rules(aws, point.group) == before


async def test_at_the_undo_a_rule_that_somebody_wrote_meanwhile_is_left_and_named(
    aws: Aws, point: SecurityGroupPoint
) -> None:
    await allow(aws, point.group, "203.0.113.9/32", 22, "the contractor")
    await allow(aws, point.group, "203.0.113.9/32", 443, "the site")
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    base = await resource.read()
    await carry(resource, True, base.record)
    await allow(aws, point.group, "203.0.113.9/32", 22, "the new contractor")
    with pytest.raises(Drifted, match=r"expected 'the contractor' .* found 'the new contractor'"):
        await carry(resource, False, base.record)
    said = {one.get("Description") for one in await rules(aws, point.group)}
    assert {"the new contractor", "the site"} <= said, "the rest was put back"


@pytest.mark.parametrize("lose_answer", [False, True])
@pytest.mark.parametrize("number", [1, 2, 3])
async def test_an_undo_that_dies_anywhere_is_finished_by_a_retry(
    aws: Aws, point: SecurityGroupPoint, way: Door, number: int, lose_answer: bool
) -> None:
    for port in (22, 80, 443):
        await allow(aws, point.group, "203.0.113.9/32", port, f"port {port}", owner="ana")
    before = await rules(aws, point.group)
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    base = await resource.read()
    await carry(resource, True, base.record)
    way.kill_at(number, lose_answer=lose_answer)
    with pytest.raises(Unreachable):
        await carry(resource, False, base.record)
    way.revive()
    await carry(resource, False, base.record)
    assert await rules(aws, point.group) == before


async def test_a_lost_answer_to_the_revoke_is_read_back_not_repeated(
    aws: Aws, point: SecurityGroupPoint, way: Door, colleague: Callable[[str], Any]
) -> None:
    await allow(aws, point.group, "203.0.113.9/32", 22)
    resource = SecurityGroupBlock(aws, ATTACKER, point)
    base = await resource.read()
    way.kill_at(1, lose_answer=True)
    with pytest.raises(Unreachable):
        await carry(resource, True, base.record)
    way.revive()
    assert (await resource.read()).state
    way.calls.clear()
    await carry(resource, True, base.record)
    assert way.changes == []
