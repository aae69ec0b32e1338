"""
Isolating an EC2 instance from outside it, where root on it can undo nothing.

In this order: a mark for people, out of its auto-scaling group and load balancers (which would
replace, terminate or feed it), protected from termination with its disks kept, every interface
through *conversion* into the closed group so that established flows end, Elastic IP addresses
away, and its own sessions with IAM denied. The instance goes on running: its memory is evidence.

Out of its group means standby, not detached: it stays a member, is not judged or replaced, and goes
back as it came (Amazon EC2 Auto Scaling User Guide, "Temporarily remove instances"). The wanted
capacity goes down with it, since coming back raises it by one.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime

from pydantic import JsonValue

from activities.aws import Answer, Aws, AwsError
from activities.isolate import Filter
from activities.profile import Profile, Proof
from activities.providers import ec2_groups, ec2_machine
from activities.providers.ec2_denial import denial, denial_name
from activities.providers.ec2_groups import Groups
from activities.providers.ec2_machine import (
    MARK,
    Interface,
    Machine,
    look,
    shutdown_as,
)
from activities.providers.ec2_release import CAPACITY_KEPT, WERE, release
from responder.cloud import Instance
from responder.contract import Found
from responder.errors import Refused, Unreachable
from responder.policy.segments import Address, Flow

PERMISSIONS = (
    *ec2_machine.PERMISSIONS,
    *ec2_groups.PERMISSIONS,
    "autoscaling:EnterStandby",
    "autoscaling:ExitStandby",
    "ec2:AssociateAddress",
    "ec2:DeleteTags",
    "ec2:DescribeTags",
    "ec2:DisassociateAddress",
    "ec2:ModifyInstanceAttribute",
    "ec2:ModifyNetworkInterfaceAttribute",
    "elasticloadbalancing:DeregisterInstancesFromLoadBalancer",
    "elasticloadbalancing:DeregisterTargets",
    "elasticloadbalancing:RegisterInstancesWithLoadBalancer",
    "elasticloadbalancing:RegisterTargets",
    "iam:DeleteRolePolicy",
    "iam:PutRolePolicy",
)
PROFILE = Profile(
    name="Amazon EC2",
    answers=("Isolate",),
    changes="out of its auto-scaling group and load balancers; termination and stop protection, disks kept; "
    "every interface through a group that allows all into one that allows what is kept; Elastic IP addresses "
    "disassociated; what its role was issued to this instance denied",
    permissions=PERMISSIONS,
    verified="all of it is described again, and the closed group's rules are compared",
    undone="item by item from what was described before; what somebody else changed is left and named. "
    "Nothing at AWS does that: without the runner it stays isolated",
    proof=Proof.EMULATOR,
    against="moto, which moves no packets and reads no conditions of policies",
)

_LONGEST_TAG = 200
STANDBY = ("Standby", "EnteringStandby")


class Ec2Isolation:
    """One instance: open, or isolated in every way that AWS offers."""

    expires_by_itself = False

    def __init__(
        self,
        aws: Aws,
        host: str,
        instance: Instance,
        addresses: Iterable[Address],
        flows: Iterable[Flow],
    ) -> None:
        self._aws = aws
        self._instance = instance.id
        self._addresses = frozenset(addresses)
        self._groups = Groups(aws, flows)
        self.name = f"instance/{host}"

    async def read(self) -> Found[Filter]:
        machine = await look(self._aws, self._instance)
        self._check(machine)
        closed = await self._groups.closed(one.vpc for one in machine.interfaces)
        isolated = not machine.gone and not self._open(machine, closed)
        state = Filter.ISOLATED if isolated else Filter.OPEN
        return Found(state=state, record=machine.model_dump(mode="json"))

    async def write(
        self, state: Filter, *, key: str, until: datetime | None, tag: str, record: JsonValue = None
    ) -> None:
        machine = await look(self._aws, self._instance)
        if state is Filter.OPEN:
            before = Machine.model_validate(record)
            await release(self._aws, self.name, self._groups, before, machine)
            return
        if machine.gone:
            raise RuntimeError(f"{self.name}: {self._instance} is terminated; nothing was changed")
        self._check(machine)
        await self._isolate(machine, tag, Machine.model_validate(record) if record else None)

    def _check(self, machine: Machine) -> None:
        """Refuse an instance that is not the inventory's host any more: its id names another one."""
        if machine.gone or machine.mark or not self._addresses:
            return  # while isolated it may lack the public address that the inventory has
        if self._addresses.isdisjoint(machine.addresses):
            expected = ", ".join(sorted(map(str, self._addresses)))
            found = ", ".join(map(str, machine.addresses)) or "none"
            raise Refused(
                f"{self.name}: expected {self._instance} to have the address {expected}, found "
                f"{found}: the inventory is out of date; nothing was changed"
            )

    def _open(self, machine: Machine, closed: dict[str, str]) -> list[str]:
        """In which ways the instance is not isolated."""
        loose = [
            *(i.id for i in machine.interfaces if i.groups != (closed.get(i.vpc),)),
            *(one.allocation for one in machine.elastic),
            *(one.group for one in machine.targets),
            *machine.balancers,
            *(one.id for one in machine.volumes if one.delete_on_termination),
        ]
        if machine.scaling and machine.scaling.lifecycle not in STANDBY:
            loose.append(machine.scaling.group)
        if not machine.spot and not (machine.protected and machine.stop_protected):
            loose.append("termination")
        if machine.role and machine.denial != denial(self._aws.cloud, self._instance):
            loose.append(machine.role)
        return loose

    async def _isolate(self, machine: Machine, tag: str, before: Machine | None) -> None:
        vpcs = dict.fromkeys(one.vpc for one in machine.interfaces)
        groups = {vpc: await self._groups.ensure(vpc) for vpc in vpcs}
        steps: list[Callable[[], Awaitable[None]]] = [
            lambda: self._mark(machine, tag),
            lambda: self._stand_by(machine),
            lambda: self._leave_balancers(machine),
            lambda: self._protect(machine),
            *(
                lambda one=one: self._close(one, *groups[one.vpc], before)
                for one in machine.interfaces
            ),
            lambda: self._disassociate(machine),
            lambda: self._deny_sessions(machine),
        ]
        # A step that AWS refuses must not save the attacker from those after it.
        refused: list[AwsError] = []
        silent: list[Unreachable] = []
        for step in steps:
            try:
                await step()
            except AwsError as error:
                refused.append(error)
            except Unreachable as error:
                silent.append(error)
        said = "; ".join(str(error) for error in (*refused, *silent))
        if refused:
            raise RuntimeError(f"{self.name}: isolated in part: {said}")
        if silent:
            raise Unreachable(f"{self.name}: perhaps isolated in part: {said}")

    async def _mark(self, machine: Machine, tag: str) -> None:
        if not machine.mark:
            await self._tag(MARK, tag[:_LONGEST_TAG] or "unnamed")

    async def _tag(self, key: str, value: str, resource: str = "") -> None:
        await self._aws.call(
            "ec2",
            "create_tags",
            Resources=[resource or self._instance],
            Tags=[{"Key": key, "Value": value}],
        )

    async def _stand_by(self, machine: Machine) -> None:
        scaling = machine.scaling
        if scaling is None or scaling.lifecycle != "InService":
            return

        async def enter(*, lower: bool) -> None:
            await self._aws.call(
                "autoscaling",
                "enter_standby",
                once=True,
                AutoScalingGroupName=scaling.group,
                InstanceIds=[self._instance],
                ShouldDecrementDesiredCapacity=lower,
            )

        try:
            await enter(lower=True)
        except AwsError as error:
            if error.code != "ValidationError" or "min-size" not in str(error):
                raise
            # The group is at its minimum: it gets a clean replacement, and keeps it at the undo.
            await self._tag(CAPACITY_KEPT, scaling.group)
            await enter(lower=False)

    async def _leave_balancers(self, machine: Machine) -> None:
        for target in machine.targets:
            await self._aws.call(
                "elbv2",
                "deregister_targets",
                TargetGroupArn=target.group,
                Targets=[{"Id": target.id, "Port": target.port}],
            )
        for balancer in machine.balancers:
            await self._aws.call(
                "elb",
                "deregister_instances_from_load_balancer",
                LoadBalancerName=balancer,
                Instances=[{"InstanceId": self._instance}],
            )

    async def _protect(self, machine: Machine) -> None:
        # A spot instance has no such protection; one whose root is in an instance store cannot stop
        # (Amazon EC2 User Guide, "Change instance termination protection").
        changes: list[Answer] = []
        if not machine.spot and not machine.protected:
            changes.append({"DisableApiTermination": {"Value": True}})
        if not machine.spot and not machine.stop_protected:
            changes.append({"DisableApiStop": {"Value": True}})
        if not machine.spot and machine.ebs_root and machine.shutdown != "stop":
            changes.append(shutdown_as("stop"))
        for volume in machine.volumes:
            if volume.delete_on_termination:
                kept: Answer = {"DeleteOnTermination": False}
                mapping = {"DeviceName": volume.device, "Ebs": kept}
                changes.append({"BlockDeviceMappings": [mapping]})
        for change in changes:  # AWS takes one attribute at a time
            await self._aws.call(
                "ec2", "modify_instance_attribute", InstanceId=self._instance, **change
            )

    async def _close(
        self, interface: Interface, conversion: str, closed: str, before: Machine | None
    ) -> None:
        if interface.groups == (closed,):
            return
        if interface.groups != (conversion,):
            if before is not None and before.interface(interface.id) is None:
                # It came after the first reading: what it had is kept with it.
                await self._tag(WERE, " ".join(interface.groups), interface.id)
            await self._move(interface.id, conversion)
        await self._move(interface.id, closed)

    async def _move(self, interface: str, group: str) -> None:
        await self._aws.call(
            "ec2",
            "modify_network_interface_attribute",
            NetworkInterfaceId=interface,
            Groups=[group],
        )

    async def _disassociate(self, machine: Machine) -> None:
        for one in machine.elastic:
            try:
                await self._aws.call("ec2", "disassociate_address", AssociationId=one.association)
            except AwsError as error:
                if error.code != "InvalidAssociationID.NotFound":
                    raise

    async def _deny_sessions(self, machine: Machine) -> None:
        wanted = denial(self._aws.cloud, self._instance)
        if machine.role is None or machine.denial == wanted:
            return
        await self._aws.call(
            "iam",
            "put_role_policy",
            RoleName=machine.role,
            PolicyName=denial_name(self._instance),
            PolicyDocument=json.dumps(wanted),
        )
