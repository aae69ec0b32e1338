"""Network ACL entries at moto: it refuses a number twice, has no quota, and moves no packets."""

from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import pytest

from activities.aws import Answer, Aws
from activities.providers.nacl import NaclBlock
from responder.cloud_points import NetworkAclPoint
from responder.errors import Unreachable
from responder.incident import Network
from tests.providers.aws.server import Call, Door

ATTACKER = ip_network("203.0.113.9")
ATTACKER_V6 = ip_network("2001:db8::9")


@pytest.fixture
async def point(aws: Aws) -> NetworkAclPoint:
    return await new_acl(aws)


async def new_acl(aws: Aws) -> NetworkAclPoint:
    """A new ACL as people have them: allow all at 100 and 101, both families, both ways."""
    vpc = (await aws.call("ec2", "create_vpc", CidrBlock="10.9.0.0/16"))["Vpc"]["VpcId"]
    made = await aws.call("ec2", "create_network_acl", VpcId=vpc)
    acl = made["NetworkAcl"]["NetworkAclId"]
    for egress in (False, True):
        await entry(aws, acl, 100, "0.0.0.0/0", allow=True, egress=egress)
        await entry(aws, acl, 101, "::/0", allow=True, egress=egress)
    return NetworkAclPoint(name="vpc", cloud="prod", acl=acl, first=10, last=60)


async def entry(
    aws: Aws, acl: str, number: int, cidr: str, *, allow: bool, egress: bool, protocol: str = "-1"
) -> None:
    family = "Ipv6CidrBlock" if ":" in cidr else "CidrBlock"
    more: Answer = {"PortRange": {"From": 1, "To": 65535}} if protocol == "6" else {}
    await aws.call(
        "ec2",
        "create_network_acl_entry",
        NetworkAclId=acl,
        RuleNumber=number,
        Protocol=protocol,
        RuleAction="allow" if allow else "deny",
        Egress=egress,
        **{family: cidr, **more},
    )


async def entries(aws: Aws, acl: str) -> list[Answer]:
    said = await aws.call("ec2", "describe_network_acls", NetworkAclIds=[acl])
    return sorted(said["NetworkAcls"][0]["Entries"], key=lambda e: (e["Egress"], e["RuleNumber"]))


def ours(found: list[Answer], network: Network) -> list[tuple[bool, int, str]]:
    return [
        (e["Egress"], e["RuleNumber"], e["RuleAction"])
        for e in found
        if str(network) in (e.get("CidrBlock"), e.get("Ipv6CidrBlock"))
    ]


async def carry(resource: NaclBlock, state: bool, record: Any = None) -> None:
    await resource.write(state, key="k", until=None, tag="INC-1", record=record)


@pytest.mark.parametrize("network", [ATTACKER, ATTACKER_V6, ip_network("203.0.113.0/24")], ids=str)
async def test_both_ways_are_denied_below_every_allow_and_undone_to_the_letter(
    aws: Aws, point: NetworkAclPoint, network: Network
) -> None:
    before = await entries(aws, point.acl)
    resource = NaclBlock(aws, network, point)
    base = await resource.read()
    assert not base.state

    await carry(resource, True, base.record)
    assert (await resource.read()).state
    assert ours(await entries(aws, point.acl), network) == [(False, 10, "deny"), (True, 10, "deny")]

    await carry(resource, False, base.record)
    assert await entries(aws, point.acl) == before


async def test_writing_again_asks_for_no_second_change(
    aws: Aws, point: NetworkAclPoint, way: Door
) -> None:
    resource = NaclBlock(aws, ATTACKER, point)
    await carry(resource, True)
    way.calls.clear()
    await carry(resource, True)
    assert way.changes == []


async def test_somebody_elses_number_is_stepped_over_and_left(
    aws: Aws, point: NetworkAclPoint
) -> None:
    await entry(aws, point.acl, 10, "198.51.100.0/24", allow=False, egress=False)
    before = await entries(aws, point.acl)
    resource = NaclBlock(aws, ATTACKER, point)
    base = await resource.read()
    await carry(resource, True, base.record)
    found = ours(await entries(aws, point.acl), ATTACKER)
    assert found == [(False, 11, "deny"), (True, 10, "deny")]
    await carry(resource, False, base.record)
    assert await entries(aws, point.acl) == before


async def test_a_number_that_is_taken_between_reading_and_writing_is_stepped_over(
    aws: Aws, point: NetworkAclPoint, way: Door, colleague: Callable[[str], Any]
) -> None:
    ec2 = colleague("ec2")
    raced: list[int] = []

    def race(call: Call) -> tuple[int, str, bytes] | None:
        if call.operation == "CreateNetworkAclEntry" and len(raced) < 2:
            number = int(call.params["RuleNumber"])
            raced.append(number)
            ec2.create_network_acl_entry(
                NetworkAclId=point.acl,
                RuleNumber=number,
                Protocol="-1",
                RuleAction="deny",
                Egress=call.params["Egress"] == "true",
                CidrBlock="192.0.2.0/24",
            )
        return None

    way.answering.append(race)
    await carry(NaclBlock(aws, ATTACKER, point), True)
    assert raced == [10, 11]
    found = ours(await entries(aws, point.acl), ATTACKER)
    assert found == [(False, 12, "deny"), (True, 10, "deny")]


async def test_a_race_that_is_lost_every_time_is_unknown_not_done(
    aws: Aws, point: NetworkAclPoint, way: Door
) -> None:
    def taken(call: Call) -> tuple[int, str, bytes] | None:
        return refusal(call, "NetworkAclEntryAlreadyExists")

    way.answering.append(taken)
    with pytest.raises(Unreachable, match=r"5 rule numbers .* were taken .* ingress is not denied"):
        await carry(NaclBlock(aws, ATTACKER, point), True)


def refusal(call: Call, code: str) -> tuple[int, str, bytes] | None:
    if call.operation != "CreateNetworkAclEntry":
        return None
    body = f"<Response><Errors><Error><Code>{code}</Code></Error></Errors></Response>"
    return 400, "text/xml", body.encode()


async def test_a_deny_of_the_same_network_that_was_there_before_survives(
    aws: Aws, point: NetworkAclPoint
) -> None:
    await entry(aws, point.acl, 5, "203.0.113.9/32", allow=False, egress=False)
    await entry(aws, point.acl, 20, "203.0.113.9/32", allow=False, egress=False)
    before = await entries(aws, point.acl)
    resource = NaclBlock(aws, ATTACKER, point)
    base = await resource.read()
    assert not base.state, "nothing is denied on its way out"
    await carry(resource, True, base.record)
    assert (await resource.read()).state
    await carry(resource, False, base.record)
    assert await entries(aws, point.acl) == before


async def test_a_deny_of_one_protocol_is_not_a_block(aws: Aws, point: NetworkAclPoint) -> None:
    for egress in (False, True):
        await entry(aws, point.acl, 20, "203.0.113.9/32", allow=False, egress=egress, protocol="6")
    assert not (await NaclBlock(aws, ATTACKER, point).read()).state


async def test_an_allow_placed_before_ours_is_seen_and_overtaken(
    aws: Aws, point: NetworkAclPoint
) -> None:
    before = await entries(aws, point.acl)
    resource = NaclBlock(aws, ATTACKER, point)
    base = await resource.read()
    roomy = point.model_copy(update={"first": 5})
    await carry(resource, True, base.record)
    await entry(aws, point.acl, 9, "203.0.113.0/28", allow=True, egress=False)
    resource = NaclBlock(aws, ATTACKER, roomy)
    assert not (await resource.read()).state
    await carry(resource, True, base.record)
    assert (await resource.read()).state
    await carry(resource, False, base.record)
    left = [e for e in await entries(aws, point.acl) if e["RuleNumber"] != 9]
    assert left == before


async def test_no_number_below_the_first_allow_is_said(aws: Aws, point: NetworkAclPoint) -> None:
    above = point.model_copy(update={"first": 100, "last": 120})
    with pytest.raises(RuntimeError, match=r"in 100-120 below 100, .* found none; ingress is not"):
        await carry(NaclBlock(aws, ATTACKER, above), True)


async def test_a_full_acl_is_said_before_it_is_asked(
    aws: Aws, point: NetworkAclPoint, way: Door
) -> None:
    # moto has no quota: the provider counts, and believes AWS where its quota is lower still.
    small = point.model_copy(update={"quota": 2})
    way.calls.clear()
    with pytest.raises(RuntimeError, match=r"as many ingress entries as its quota \(2\) allows"):
        await carry(NaclBlock(aws, ATTACKER, small), True)
    assert way.changes == []


async def test_a_quota_that_aws_tells_is_said(aws: Aws, point: NetworkAclPoint, way: Door) -> None:
    def full(call: Call) -> tuple[int, str, bytes] | None:
        return refusal(call, "NetworkAclEntryLimitExceeded")

    way.answering.append(full)
    with pytest.raises(RuntimeError, match=r"has as many ingress entries as its quota"):
        await carry(NaclBlock(aws, ATTACKER, point), True)


@pytest.mark.parametrize("lose_answer", [False, True])
async def test_a_crash_between_the_two_entries_is_finished_by_a_retry_and_undone(
    aws: Aws, point: NetworkAclPoint, way: Door, lose_answer: bool
) -> None:
    before = await entries(aws, point.acl)
    resource = NaclBlock(aws, ATTACKER, point)
    base = await resource.read()
    way.kill_at(2, lose_answer=lose_answer)
    with pytest.raises(Unreachable):
        await carry(resource, True, base.record)
    way.revive()
    partial = await resource.read()
    assert partial.state is lose_answer
    assert partial.record != base.record, "an undo can tell that something of ours is there"
    await carry(resource, True, base.record)
    assert len(ours(await entries(aws, point.acl), ATTACKER)) == 2
    await carry(resource, False, base.record)
    assert await entries(aws, point.acl) == before


async def test_taking_out_what_somebody_took_out_already_is_no_fault(
    aws: Aws, point: NetworkAclPoint, way: Door
) -> None:
    # moto answers HTTP 500 to the deletion of an entry that is not there; AWS documents this code.
    resource = NaclBlock(aws, ATTACKER, point)
    await carry(resource, True)

    def gone(call: Call) -> tuple[int, str, bytes] | None:
        if call.operation != "DeleteNetworkAclEntry":
            return None
        code = "InvalidNetworkAclEntry.NotFound"
        body = f"<Response><Errors><Error><Code>{code}</Code></Error></Errors></Response>"
        return 400, "text/xml", body.encode()

    way.answering.append(gone)
    await carry(resource, False, {"ingress": [], "egress": []})
