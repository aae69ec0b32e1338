"""
Isolation of an instance at moto.

moto moves no packets, so that flows end is not shown here; it ignores conditions of policies, so
that only this instance's sessions are denied is not shown either. What is shown: which requests are
made in which order, what AWS's own descriptions say after each, and that all of it goes back.
"""

import json
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from activities.aws import Aws
from activities.isolate import Filter
from activities.providers.ec2_isolation import Ec2Isolation
from responder.cloud import Instance
from responder.errors import Drifted, Refused, Unreachable
from responder.policy.segments import Address, Flow, flow
from tests.providers.aws.estate import Estate, build, described, groups_of
from tests.providers.aws.server import Call, Door

MANAGEMENT = flow([ip_network("198.51.100.5/32")], 22, inbound=True, peer="management")
EVIDENCE = flow([ip_network("2001:db8::5/128")], 22, inbound=False, peer="evidence")
KEPT = (MANAGEMENT, EVIDENCE)
ALLOW = {"Effect": "Allow", "Action": "s3:ListAllMyBuckets", "Resource": "*"}


@pytest.fixture
async def estate(aws: Aws) -> Estate:
    return await build(aws)


def isolation(
    aws: Aws, estate: Estate, *addresses: str, flows: tuple[Flow, ...] = KEPT
) -> Ec2Isolation:
    known: list[Address] = [ip_address(one) for one in addresses or (estate.private,)]
    instance = Instance(cloud="prod", id=estate.instance)
    return Ec2Isolation(aws, "web1", instance, known, flows)


async def carry(resource: Ec2Isolation, state: Filter, record: Any) -> None:
    await resource.write(state, key="k", until=None, tag="INC-1", record=record)


async def test_every_way_in_and_out_is_closed_in_order_and_all_of_it_goes_back(
    aws: Aws, estate: Estate, way: Door
) -> None:
    before = await described(aws, estate)
    resource = isolation(aws, estate)
    base = await resource.read()
    assert base.state is Filter.OPEN
    assert await resource.read() == base, "a reading is stable"

    way.calls.clear()
    await carry(resource, Filter.ISOLATED, base.record)
    order = list(dict.fromkeys(way.changes))
    assert order == [
        "CreateSecurityGroup",
        "AuthorizeSecurityGroupIngress",
        "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroupEgress",
        "CreateTags",
        "EnterStandby",
        "DeregisterTargets",
        "DeregisterInstancesFromLoadBalancer",
        "ModifyInstanceAttribute",
        "ModifyNetworkInterfaceAttribute",
        "DisassociateAddress",
        "PutRolePolicy",
    ]
    moved = [c.params for c in way.calls if c.operation == "ModifyNetworkInterfaceAttribute"]
    assert [m["NetworkInterfaceId"] for m in moved] == [
        i for i in sorted(estate.interfaces) for _ in range(2)
    ], "each through two groups"
    assert (await resource.read()).state is Filter.ISOLATED

    now = await described(aws, estate)
    assert {g["GroupId"] for i in now["interfaces"] for g in i["Groups"]} == {
        moved[1]["SecurityGroupId.1"]
    }
    assert not any(a.get("InstanceId") or a.get("NetworkInterfaceId") for a in now["addresses"])
    assert [s["Instances"][0]["LifecycleState"] for s in now["scaling"]] == ["Standby"]
    assert now["targets"] == []
    assert now["balancers"][0]["Instances"] == []
    assert now["disableApiTermination"] == now["disableApiStop"] == {"Value": True}
    assert now["instanceInitiatedShutdownBehavior"] == {"Value": "stop"}
    mappings = now["instance"]["BlockDeviceMappings"]
    assert [m["Ebs"]["DeleteOnTermination"] for m in mappings] == [False, False]
    assert {"Key": "responder:isolation", "Value": "INC-1"} in now["instance"]["Tags"]
    assert now["policies"] == [f"responder-isolation-{estate.instance}"]

    way.calls.clear()
    await carry(resource, Filter.ISOLATED, base.record)
    assert way.changes == [], "what stands is not written again"

    await carry(resource, Filter.OPEN, base.record)
    assert await described(aws, estate) == before
    assert (await resource.read()) == base


async def test_the_conversion_group_lets_everything_through_and_the_closed_one_only_what_is_kept(
    aws: Aws, estate: Estate
) -> None:
    resource = isolation(aws, estate)
    base = await resource.read()
    await carry(resource, Filter.ISOLATED, base.record)
    rules: dict[str, set[tuple[bool, str, int, str]]] = {}
    found = await aws.call(
        "ec2", "describe_security_groups", Filters=[{"Name": "vpc-id", "Values": [estate.vpc]}]
    )
    for group in found["SecurityGroups"]:
        if group["GroupName"].startswith("responder-"):
            said = await aws.call(
                "ec2",
                "describe_security_group_rules",
                Filters=[{"Name": "group-id", "Values": [group["GroupId"]]}],
            )
            rules[group["GroupName"].split("-")[1]] = {
                (
                    r["IsEgress"],
                    r["IpProtocol"],
                    r.get("FromPort", -1),
                    r.get("CidrIpv4") or r.get("CidrIpv6"),
                )
                for r in said["SecurityGroupRules"]
            }
    both = (False, True)
    assert rules["conversion"] == {(e, "-1", -1, n) for e in both for n in ("0.0.0.0/0", "::/0")}
    assert rules["isolated"] == {
        (False, "tcp", 22, "198.51.100.5/32"),
        (True, "tcp", 22, "2001:db8::5/128"),
    }


ISOLATING, RELEASING = 22, 15  # changes, for this estate; a test below says if it is no longer so


async def test_a_death_before_any_change_is_finished_by_a_retry_and_undone(
    aws: Aws, estate: Estate, way: Door
) -> None:
    """Also after any change: that is before the next one, since nothing is remembered between."""
    before = await described(aws, estate)
    resource = isolation(aws, estate)
    base = await resource.read()
    for number in range(1, ISOLATING + 1):
        way.kill_at(number, lose_answer=False)
        with pytest.raises((Unreachable, RuntimeError)):
            await carry(resource, Filter.ISOLATED, base.record)
        way.revive()
        partial = await resource.read()
        assert partial.state is Filter.OPEN, f"{number}: isolated in part is not isolated"
        if number % 2:  # undone from half way, and from the end
            await carry(resource, Filter.ISOLATED, base.record)
            assert (await resource.read()).state is Filter.ISOLATED, number
        await carry(resource, Filter.OPEN, base.record)
        assert await described(aws, estate) == before, number
    way.kill_at(ISOLATING, lose_answer=True)
    with pytest.raises((Unreachable, RuntimeError)):
        await carry(resource, Filter.ISOLATED, base.record)
    way.revive()
    assert (await resource.read()).state is Filter.ISOLATED
    way.calls.clear()
    await carry(resource, Filter.ISOLATED, base.record)
    assert way.changes == [], "that was the last change of all"


async def test_a_death_before_any_change_of_the_undo_is_finished_by_a_retry(
    aws: Aws, estate: Estate, way: Door
) -> None:
    before = await described(aws, estate)
    resource = isolation(aws, estate)
    base = await resource.read()
    for number in range(1, RELEASING + 1):
        await carry(resource, Filter.ISOLATED, base.record)
        way.kill_at(number, lose_answer=False)
        with pytest.raises((Unreachable, RuntimeError)):
            await carry(resource, Filter.OPEN, base.record)
        way.revive()
        assert (await resource.read()).record != base.record, f"{number}: an undo can tell"
        await carry(resource, Filter.OPEN, base.record)
        assert await described(aws, estate) == before, number
    await carry(resource, Filter.ISOLATED, base.record)
    way.calls.clear()
    await carry(resource, Filter.OPEN, base.record)
    assert len(way.changes) == RELEASING, "there was no later change to die in"


async def test_what_somebody_else_changed_meanwhile_is_left_and_named_and_the_rest_goes_back(
    aws: Aws, estate: Estate, colleague: Callable[[str], Any]
) -> None:
    before = await described(aws, estate)
    resource = isolation(aws, estate)
    base = await resource.read()
    await carry(resource, Filter.ISOLATED, base.record)
    ec2, first, second = colleague("ec2"), *estate.interfaces
    theirs = estate.groups[2]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=first, Groups=[theirs])
    taken = ec2.create_network_interface(SubnetId=before["instance"]["SubnetId"], Groups=[theirs])[
        "NetworkInterface"
    ]["NetworkInterfaceId"]
    ec2.associate_address(AllocationId=estate.allocations[0], NetworkInterfaceId=taken)
    ec2.release_address(AllocationId=estate.allocations[1])
    colleague("iam").put_role_policy(
        RoleName=estate.role,
        PolicyName=f"responder-isolation-{estate.instance}",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [ALLOW]}),
    )
    with pytest.raises(Drifted) as told:
        await carry(resource, Filter.OPEN, base.record)
    said = str(told.value)
    assert f"{first}: expected it in a group of ours, found it in {theirs}" in said
    assert f"{estate.allocations[0]}: expected it free" in said
    assert "found it associated elsewhere" in said
    assert f"{estate.allocations[1]}: expected it free" in said
    assert "found it released" in said
    assert f"role {estate.role}: expected ours, found another text" in said
    assert await groups_of(aws, first) == [theirs]
    recorded = next(i for i in base.record["interfaces"] if i["id"] == second)  # type: ignore[index,call-overload,union-attr]
    assert sorted(await groups_of(aws, second)) == sorted(recorded["groups"])  # type: ignore[index,call-overload,arg-type]
    kept = {k: before[k] for k in ("scaling", "targets", "balancers", "disableApiTermination")}
    estate.allocations.pop()
    now = await described(aws, estate)
    assert {k: now[k] for k in kept} == kept


async def test_an_interface_that_came_meanwhile_is_closed_and_gets_its_own_groups_back(
    aws: Aws, estate: Estate, colleague: Callable[[str], Any]
) -> None:
    resource = isolation(aws, estate)
    base = await resource.read()
    await carry(resource, Filter.ISOLATED, base.record)
    ec2 = colleague("ec2")
    subnet = ec2.describe_instances(InstanceIds=[estate.instance])
    subnet = subnet["Reservations"][0]["Instances"][0]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet, Groups=estate.groups)
    new = made["NetworkInterface"]["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=new, InstanceId=estate.instance, DeviceIndex=5)
    assert (await resource.read()).state is Filter.OPEN
    await carry(resource, Filter.ISOLATED, base.record)
    assert (await resource.read()).state is Filter.ISOLATED
    await carry(resource, Filter.OPEN, base.record)
    assert sorted(await groups_of(aws, new)) == sorted(estate.groups)


async def test_an_instance_with_another_address_is_refused(aws: Aws, estate: Estate) -> None:
    resource = isolation(aws, estate, "198.51.100.77")
    said = "expected i-.* to have the address 198.51.100.77, found .*; nothing was changed"
    with pytest.raises(Refused, match=said):
        await resource.read()
    with pytest.raises(Refused, match=said):
        await carry(resource, Filter.ISOLATED, None)


async def test_a_host_known_by_its_elastic_address_is_still_known_while_that_is_away(
    aws: Aws, estate: Estate
) -> None:
    resource = isolation(aws, estate, estate.public)
    base = await resource.read()
    await carry(resource, Filter.ISOLATED, base.record)
    assert (await resource.read()).state is Filter.ISOLATED
    await carry(resource, Filter.OPEN, base.record)
    assert await resource.read() == base


async def test_somebody_elses_group_of_that_name_is_never_used(
    aws: Aws, estate: Estate, way: Door, colleague: Callable[[str], Any]
) -> None:
    colleague("ec2").create_security_group(
        GroupName="responder-conversion", Description="a trap", VpcId=estate.vpc
    )
    resource = isolation(aws, estate)
    base = await resource.read()
    way.calls.clear()
    with pytest.raises(RuntimeError, match="expected a group of ours, found somebody else's"):
        await carry(resource, Filter.ISOLATED, base.record)
    assert way.changes == []


async def test_a_rule_added_to_the_closed_group_opens_the_instance_and_is_taken_out_again(
    aws: Aws, estate: Estate, colleague: Callable[[str], Any]
) -> None:
    resource = isolation(aws, estate)
    base = await resource.read()
    await carry(resource, Filter.ISOLATED, base.record)
    group = (await groups_of(aws, estate.interfaces[0]))[0]
    anybody = {"IpProtocol": "-1", "IpRanges": [{"CidrIp": "0.0.0.0/0"}]}
    colleague("ec2").authorize_security_group_ingress(GroupId=group, IpPermissions=[anybody])
    assert (await resource.read()).state is Filter.OPEN
    await carry(resource, Filter.ISOLATED, base.record)
    assert (await resource.read()).state is Filter.ISOLATED


async def test_a_step_that_is_refused_does_not_stop_those_after_it(
    aws: Aws, estate: Estate, way: Door
) -> None:
    def denied(call: Call) -> tuple[int, str, bytes] | None:
        if call.operation != "EnterStandby":
            return None
        body = (
            b"<ErrorResponse><Error><Code>ScalingActivityInProgress</Code></Error></ErrorResponse>"
        )
        return 400, "text/xml", body

    resource = isolation(aws, estate)
    base = await resource.read()
    way.answering.append(denied)
    with pytest.raises(RuntimeError, match=r"isolated in part: .*ScalingActivityInProgress"):
        await carry(resource, Filter.ISOLATED, base.record)
    assert (await resource.read()).state is Filter.OPEN
    assert len({tuple(await groups_of(aws, one)) for one in estate.interfaces}) == 1


async def test_a_group_at_its_minimum_gets_a_replacement_and_the_undo_says_so(
    aws: Aws, estate: Estate, way: Door
) -> None:
    # moto knows no minimum here; the words are those of Amazon EC2 Auto Scaling.
    def at_minimum(call: Call) -> tuple[int, str, bytes] | None:
        lower = call.params.get("ShouldDecrementDesiredCapacity") == "true"
        if call.operation != "EnterStandby" or not lower:
            return None
        said = f"AutoScalingGroup {estate.scaling} has min-size=1, max-size=3, and desired-size=1."
        body = f"<ErrorResponse><Error><Code>ValidationError</Code><Message>{said}</Message></Error></ErrorResponse>"
        return 400, "text/xml", body.encode()

    resource = isolation(aws, estate)
    base = await resource.read()
    way.answering.append(at_minimum)
    await carry(resource, Filter.ISOLATED, base.record)
    assert (await resource.read()).state is Filter.ISOLATED
    with pytest.raises(Drifted, match=r"at its minimum, so a replacement was started"):
        await carry(resource, Filter.OPEN, base.record)
    assert await resource.read() == base


async def test_an_instance_that_is_gone_is_not_isolated_and_leaves_no_policy_behind(
    aws: Aws, estate: Estate, colleague: Callable[[str], Any]
) -> None:
    resource = isolation(aws, estate)
    base = await resource.read()
    await carry(resource, Filter.ISOLATED, base.record)
    ec2 = colleague("ec2")
    for name in ("DisableApiTermination", "DisableApiStop"):
        ec2.modify_instance_attribute(InstanceId=estate.instance, **{name: {"Value": False}})
    ec2.terminate_instances(InstanceIds=[estate.instance])
    found = await resource.read()
    assert (found.state, found.record["gone"]) == (Filter.OPEN, True)  # type: ignore[index,call-overload]
    with pytest.raises(RuntimeError, match="is terminated; nothing was changed"):
        await carry(resource, Filter.ISOLATED, base.record)
    with pytest.raises(Drifted, match="expected it to run, found it terminated"):
        await carry(resource, Filter.OPEN, base.record)
    said = await aws.call("iam", "list_role_policies", RoleName=estate.role)
    assert said["PolicyNames"] == []
