"""What AWS says of one instance: everything that isolating it changes, as it stands now."""

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address

from pydantic import Field, JsonValue

from activities.aws import Answer, Aws, AwsError
from activities.providers.ec2_denial import denial_name, policy_of
from responder.incident import Frozen
from responder.policy.segments import Address

PERMISSIONS = (
    "autoscaling:DescribeAutoScalingInstances",
    "ec2:DescribeAddresses",
    "ec2:DescribeInstanceAttribute",
    "ec2:DescribeInstances",
    "ec2:DescribeNetworkInterfaces",
    "elasticloadbalancing:DescribeLoadBalancers",
    "elasticloadbalancing:DescribeTargetGroups",
    "elasticloadbalancing:DescribeTargetHealth",
    "iam:GetInstanceProfile",
    "iam:GetRolePolicy",
)

MARK = "responder:isolation"  # the tag on an instance that we isolate: the incident's number
_GONE = frozenset({"terminated", "shutting-down"})


class Interface(Frozen):
    """A network interface and its security groups."""

    id: str
    vpc: str
    groups: tuple[str, ...]


class Elastic(Frozen):
    """An Elastic IP address where it is associated."""

    allocation: str
    interface: str
    private: str
    # Another one after each association, so no part of what is put back.
    association: str = Field(default="", exclude=True)


class Volume(Frozen):
    """A volume where it is attached."""

    device: str
    id: str
    delete_on_termination: bool


class Membership(Frozen):
    """An auto-scaling group, and how the instance stands in it."""

    group: str
    lifecycle: str


class Target(Frozen):
    """A target group in which the instance, or an address of its, is registered."""

    group: str
    id: str
    port: int


class Machine(Frozen):
    """One instance as it stands."""

    id: str
    gone: bool = False
    spot: bool = False
    ebs_root: bool = True
    addresses: tuple[Address, ...] = Field(default=(), exclude=True)
    interfaces: tuple[Interface, ...] = ()
    elastic: tuple[Elastic, ...] = ()
    profile: str | None = None
    role: str | None = None
    protected: bool = False
    stop_protected: bool = False
    shutdown: str = "stop"
    volumes: tuple[Volume, ...] = ()
    scaling: Membership | None = None
    targets: tuple[Target, ...] = ()
    balancers: tuple[str, ...] = ()
    denial: JsonValue = None  # the inline policy of ours on its role, if it is there
    mark: str = ""  # which incident of ours isolates it; taken away last of all

    def interface(self, name: str) -> Interface | None:
        """The interface of this id."""
        return next((one for one in self.interfaces if one.id == name), None)


def shutdown_as(behaviour: str) -> Answer:
    """How ModifyInstanceAttribute is told what a shutdown from inside does: `stop`, `terminate`."""
    # By `Attribute` and `Value`: moto takes the other form for one that changes nothing.
    return {"Attribute": "instanceInitiatedShutdownBehavior", "Value": behaviour}


async def look(aws: Aws, instance: str) -> Machine:
    """The instance as it stands now; `gone` if it is terminated or unknown to AWS."""
    try:
        found = await aws.pages("ec2", "describe_instances", "Reservations", InstanceIds=[instance])
    except AwsError as error:
        if error.code == "InvalidInstanceID.NotFound":
            return Machine(id=instance, gone=True)
        raise
    said: Answer = next(iter(r for one in found for r in one["Instances"]), {})
    if not said or said["State"]["Name"] in _GONE:
        return Machine(id=instance, gone=True)
    interfaces, protected, stop, shutdown, scaling, iam = await asyncio.gather(
        _interfaces(aws, instance),
        _attribute(aws, instance, "disableApiTermination"),
        _attribute(aws, instance, "disableApiStop"),
        _attribute(aws, instance, "instanceInitiatedShutdownBehavior"),
        _scaling(aws, instance),
        _iam(aws, instance, said.get("IamInstanceProfile", {}).get("Arn")),
    )
    addresses = _addresses(said, interfaces)
    ids = {instance, *map(str, addresses)}
    elastic, targets, balancers = await asyncio.gather(
        _elastic(aws, interfaces), _targets(aws, said.get("VpcId"), ids), _balancers(aws, instance)
    )
    tags = {tag["Key"]: tag["Value"] for tag in said.get("Tags", ())}
    return Machine(
        id=instance,
        spot=said.get("InstanceLifecycle") == "spot",
        ebs_root=said.get("RootDeviceType", "ebs") == "ebs",
        addresses=addresses,
        interfaces=tuple(
            Interface(
                id=one["NetworkInterfaceId"],
                vpc=one["VpcId"],
                groups=tuple(group["GroupId"] for group in one["Groups"]),
            )
            for one in interfaces
        ),
        elastic=elastic,
        profile=said.get("IamInstanceProfile", {}).get("Arn"),
        role=iam[0],
        denial=iam[1],
        protected=protected is True,
        stop_protected=stop is True,
        shutdown=str(shutdown),
        volumes=tuple(
            Volume(
                device=one["DeviceName"],
                id=one["Ebs"]["VolumeId"],
                delete_on_termination=one["Ebs"]["DeleteOnTermination"],
            )
            for one in sorted(said.get("BlockDeviceMappings", ()), key=lambda m: m["DeviceName"])
            if "Ebs" in one
        ),
        scaling=scaling,
        targets=targets,
        balancers=balancers,
        mark=tags.get(MARK, ""),
    )


async def _interfaces(aws: Aws, instance: str) -> list[Answer]:
    """All of them: DescribeInstances may show what they were before a change."""
    by_instance = {"Name": "attachment.instance-id", "Values": [instance]}
    found = await aws.pages(
        "ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=[by_instance]
    )
    return sorted(found, key=lambda one: str(one["NetworkInterfaceId"]))


async def _attribute(aws: Aws, instance: str, name: str) -> bool | str:
    said = await aws.call("ec2", "describe_instance_attribute", InstanceId=instance, Attribute=name)
    value: bool | str = said[name[0].upper() + name[1:]].get("Value", False)
    return value


async def _elastic(aws: Aws, interfaces: list[Answer]) -> tuple[Elastic, ...]:
    if not interfaces:
        return ()
    ids = [one["NetworkInterfaceId"] for one in interfaces]
    said = await aws.call(
        "ec2", "describe_addresses", Filters=[{"Name": "network-interface-id", "Values": ids}]
    )
    found = (
        Elastic(
            allocation=one["AllocationId"],
            association=one["AssociationId"],
            interface=one["NetworkInterfaceId"],
            private=one.get("PrivateIpAddress", ""),
        )
        for one in said["Addresses"]
    )
    return tuple(sorted(found, key=lambda one: one.allocation))


async def _scaling(aws: Aws, instance: str) -> Membership | None:
    said = await aws.call("autoscaling", "describe_auto_scaling_instances", InstanceIds=[instance])
    for one in said["AutoScalingInstances"]:
        return Membership(group=one["AutoScalingGroupName"], lifecycle=one["LifecycleState"])
    return None


async def _targets(aws: Aws, vpc: str | None, ids: set[str]) -> tuple[Target, ...]:
    groups = await aws.pages("elbv2", "describe_target_groups", "TargetGroups")
    near = [one["TargetGroupArn"] for one in groups if one.get("VpcId") in (vpc, None)]

    async def registered(group: str) -> list[Target]:
        said = await aws.call("elbv2", "describe_target_health", TargetGroupArn=group)
        return [
            Target(group=group, id=one["Target"]["Id"], port=one["Target"].get("Port", 0))
            for one in said["TargetHealthDescriptions"]
            if one["Target"]["Id"] in ids and one["TargetHealth"]["State"] != "draining"
        ]

    found = await asyncio.gather(*(registered(group) for group in near))
    return tuple(sorted((t for some in found for t in some), key=lambda t: (t.group, t.id, t.port)))


async def _balancers(aws: Aws, instance: str) -> tuple[str, ...]:
    found = await aws.pages("elb", "describe_load_balancers", "LoadBalancerDescriptions")
    return tuple(
        sorted(
            one["LoadBalancerName"]
            for one in found
            if any(member["InstanceId"] == instance for member in one["Instances"])
        )
    )


async def _iam(aws: Aws, instance: str, profile: str | None) -> tuple[str | None, JsonValue]:
    """The role of an instance's profile, and our policy on it if it is there."""
    if profile is None:
        return None, None
    try:
        said = await aws.call(
            "iam", "get_instance_profile", InstanceProfileName=profile.rpartition("/")[2]
        )
    except AwsError as error:
        if error.code == "NoSuchEntity":
            return None, None
        raise
    roles = said["InstanceProfile"]["Roles"]
    if not roles:
        return None, None
    role = str(roles[0]["RoleName"])
    return role, await policy_of(aws, role, denial_name(instance))


def _addresses(said: Mapping[str, object], interfaces: list[Answer]) -> tuple[Address, ...]:
    spelled = {said.get("PublicIpAddress")}
    for one in interfaces:
        spelled.add(one.get("Association", {}).get("PublicIp"))
        for private in one.get("PrivateIpAddresses", ()):
            spelled |= {private["PrivateIpAddress"], private.get("Association", {}).get("PublicIp")}
        spelled |= {six["Ipv6Address"] for six in one.get("Ipv6Addresses", ())}
    return tuple(ip_address(str(one)) for one in sorted(str(s) for s in spelled if s))
