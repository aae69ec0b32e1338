"""An instance as people have them: two interfaces, an address on each, in a group, behind balancers."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from activities.aws import Answer, Aws

ASSUMED_BY_EC2 = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@dataclass
class Estate:
    """What was made, by id."""

    vpc: str = ""
    instance: str = ""
    interfaces: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    allocations: list[str] = field(default_factory=list)
    private: str = ""
    public: str = ""
    scaling: str = ""
    target_group: str = ""
    balancer: str = ""
    role: str = ""


async def build(aws: Aws, *, interfaces: int = 2) -> Estate:
    """A new estate, with ids that no other test has."""
    made = Estate()
    name = f"web-{uuid.uuid4().hex[:8]}"
    made.vpc = (await aws.call("ec2", "create_vpc", CidrBlock="10.9.0.0/16"))["Vpc"]["VpcId"]
    subnets = [await _subnet(aws, made.vpc, i) for i in range(2)]
    for index in range(3):
        group = await aws.call(
            "ec2",
            "create_security_group",
            GroupName=f"{name}-{index}",
            Description="theirs",
            VpcId=made.vpc,
        )
        made.groups.append(group["GroupId"])
    await _role(aws, made, name)
    ran = await aws.call(
        "ec2",
        "run_instances",
        ImageId="ami-12c6146b",
        InstanceType="t3.micro",
        MinCount=1,
        MaxCount=1,
        SubnetId=subnets[0],
        SecurityGroupIds=made.groups[:2],
        IamInstanceProfile={"Name": name},
        InstanceInitiatedShutdownBehavior="terminate",
        BlockDeviceMappings=[
            {"DeviceName": "/dev/sda1", "Ebs": {"VolumeSize": 8, "DeleteOnTermination": True}},
            {"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 2, "DeleteOnTermination": False}},
        ],
    )
    instance = ran["Instances"][0]
    made.instance, made.private = instance["InstanceId"], instance["PrivateIpAddress"]
    made.interfaces.append(instance["NetworkInterfaces"][0]["NetworkInterfaceId"])
    # moto shows the instance's own groups at every interface, in addition to the interface's, and
    # keeps them whatever is changed there: an empty list makes it believe the interfaces alone.
    await aws.call("ec2", "modify_instance_attribute", InstanceId=made.instance, Groups=[])
    await aws.call(
        "ec2",
        "modify_network_interface_attribute",
        NetworkInterfaceId=made.interfaces[0],
        Groups=made.groups[:2],
    )
    for index in range(1, interfaces):
        made.interfaces.append(await attach(aws, made, subnets[0], made.groups[2], index))
    for interface in made.interfaces:
        made.allocations.append(await _elastic(aws, made, interface))
    await _scaling(aws, made, name, subnets)
    await _balancers(aws, made, name, subnets)
    return made


async def _subnet(aws: Aws, vpc: str, index: int) -> str:
    said = await aws.call(
        "ec2",
        "create_subnet",
        VpcId=vpc,
        CidrBlock=f"10.9.{index}.0/24",
        AvailabilityZone=f"eu-central-1{'ab'[index]}",
    )
    return str(said["Subnet"]["SubnetId"])


async def attach(aws: Aws, made: Estate, subnet: str, group: str, index: int) -> str:
    said = await aws.call("ec2", "create_network_interface", SubnetId=subnet, Groups=[group])
    interface = str(said["NetworkInterface"]["NetworkInterfaceId"])
    await aws.call(
        "ec2",
        "attach_network_interface",
        NetworkInterfaceId=interface,
        InstanceId=made.instance,
        DeviceIndex=index,
    )
    return interface


async def _elastic(aws: Aws, made: Estate, interface: str) -> str:
    allocated = await aws.call("ec2", "allocate_address", Domain="vpc")
    made.public = allocated["PublicIp"]
    await aws.call(
        "ec2",
        "associate_address",
        AllocationId=allocated["AllocationId"],
        NetworkInterfaceId=interface,
    )
    return str(allocated["AllocationId"])


async def _role(aws: Aws, made: Estate, name: str) -> None:
    made.role = name
    trust = json.dumps(ASSUMED_BY_EC2)
    await aws.call("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust)
    await aws.call("iam", "create_instance_profile", InstanceProfileName=name)
    await aws.call("iam", "add_role_to_instance_profile", InstanceProfileName=name, RoleName=name)


async def _scaling(aws: Aws, made: Estate, name: str, subnets: Sequence[str]) -> None:
    made.scaling = name
    await aws.call(
        "ec2",
        "create_launch_template",
        LaunchTemplateName=name,
        LaunchTemplateData={"ImageId": "ami-12c6146b", "InstanceType": "t2.micro"},
    )
    await aws.call(
        "autoscaling",
        "create_auto_scaling_group",
        AutoScalingGroupName=name,
        LaunchTemplate={"LaunchTemplateName": name, "Version": "1"},
        MinSize=0,
        MaxSize=3,
        DesiredCapacity=0,
        VPCZoneIdentifier=subnets[0],
    )
    await aws.call(
        "autoscaling",
        "attach_instances",
        AutoScalingGroupName=name,
        InstanceIds=[made.instance],
    )


async def _balancers(aws: Aws, made: Estate, name: str, subnets: Sequence[str]) -> None:
    group = await aws.call(
        "elbv2", "create_target_group", Name=name, Protocol="TCP", Port=443, VpcId=made.vpc
    )
    made.target_group = group["TargetGroups"][0]["TargetGroupArn"]
    target = {"Id": made.instance, "Port": 8443}
    await aws.call("elbv2", "register_targets", TargetGroupArn=made.target_group, Targets=[target])
    made.balancer = name
    await aws.call(
        "elb",
        "create_load_balancer",
        LoadBalancerName=name,
        Listeners=[{"Protocol": "tcp", "LoadBalancerPort": 80, "InstancePort": 80}],
        Subnets=list(subnets),
    )
    await aws.call(
        "elb",
        "register_instances_with_load_balancer",
        LoadBalancerName=name,
        Instances=[{"InstanceId": made.instance}],
    )


async def described(aws: Aws, made: Estate) -> dict[str, Any]:
    """
    All that AWS describes of an estate, as it says it itself: what must be the same after an undo.

    Left out: ids that AWS gives anew to an association, times, and what DescribeInstances says of
    interfaces (moto leaves them as they were made; DescribeNetworkInterfaces is right).
    """
    by_instance = [{"Name": "attachment.instance-id", "Values": [made.instance]}]
    by_vpc = [{"Name": "vpc-id", "Values": [made.vpc]}]
    instances = await aws.call("ec2", "describe_instances", InstanceIds=[made.instance])
    said: dict[str, Any] = {
        "instance": instances["Reservations"][0]["Instances"][0],
        "interfaces": (await aws.call("ec2", "describe_network_interfaces", Filters=by_instance))[
            "NetworkInterfaces"
        ],
        "addresses": (await aws.call("ec2", "describe_addresses", AllocationIds=made.allocations))[
            "Addresses"
        ],
        "groups": (await aws.call("ec2", "describe_security_groups", Filters=by_vpc))[
            "SecurityGroups"
        ],
        "scaling": (
            await aws.call(
                "autoscaling",
                "describe_auto_scaling_groups",
                AutoScalingGroupNames=[made.scaling],
            )
        )["AutoScalingGroups"],
        "targets": (
            await aws.call("elbv2", "describe_target_health", TargetGroupArn=made.target_group)
        )["TargetHealthDescriptions"],
        "balancers": (
            await aws.call("elb", "describe_load_balancers", LoadBalancerNames=[made.balancer])
        )["LoadBalancerDescriptions"],
        "policies": (await aws.call("iam", "list_role_policies", RoleName=made.role))[
            "PolicyNames"
        ],
    }
    for name in ("disableApiTermination", "disableApiStop", "instanceInitiatedShutdownBehavior"):
        attribute = await aws.call(
            "ec2", "describe_instance_attribute", InstanceId=made.instance, Attribute=name
        )
        said[name] = attribute[name[0].upper() + name[1:]]
    said["instance"].pop("NetworkInterfaces")
    return _plain(said)  # type: ignore[no-any-return]


_VOLATILE = {"AssociationId", "StateTransitionReason", "ResponseMetadata"}


def _plain(said: Any) -> Any:
    if isinstance(said, dict):
        return {
            k: _plain(v)
            for k, v in said.items()
            if k not in _VOLATILE and not (k == "Tags" and v == [])
        }
    if isinstance(said, list):
        return sorted((_plain(one) for one in said), key=lambda one: json.dumps(one, default=str))
    return said


async def groups_of(aws: Aws, interface: str) -> list[str]:
    """The security groups of an interface, by id."""
    said = await aws.call("ec2", "describe_network_interfaces", NetworkInterfaceIds=[interface])
    found: list[Answer] = said["NetworkInterfaces"][0]["Groups"]
    return [one["GroupId"] for one in found]
