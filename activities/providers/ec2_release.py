"""
Giving an isolated instance back what was recorded before its isolation, item by item.

An item that still is as we left it goes back; one that is as it was needs nothing; one that
somebody else changed meanwhile is left alone and named in `Drifted`, after all the others.
"""

from collections.abc import Awaitable, Callable

from activities.aws import Answer, Aws, AwsError
from activities.providers.ec2_denial import denial, denial_name, policy_of
from activities.providers.ec2_groups import Groups
from activities.providers.ec2_machine import (
    MARK,
    Elastic,
    Machine,
    shutdown_as,
)
from responder.errors import Drifted, Unreachable

CAPACITY_KEPT = "responder:replaced-in"  # the group that was at its minimum, and got a replacement
WERE = "responder:groups"  # the groups of an interface that came during the isolation


class _Left(Exception):
    """An item that is left alone, and why."""


async def release(aws: Aws, name: str, groups: Groups, before: Machine, machine: Machine) -> None:
    """Put back what *before* says; raises `Drifted` with what could not be, after the rest."""
    one = _Release(aws, groups, before, machine)
    steps: list[Callable[[], Awaitable[None]]] = [one.sessions]
    if machine.gone:
        left = [] if before.gone else [f"{before.id}: expected it to run, found it terminated"]
    else:
        left = []
        steps += [
            one.interfaces,
            *(lambda e=e: one.elastic(e) for e in before.elastic),
            one.protection,
            one.scaling,
            one.balancers,
        ]
    for step in steps:
        try:
            await step()
        except _Left as why:
            left.append(str(why))
        except AwsError as error:
            left.append(str(error))
    await groups.clear(sorted({i.vpc for i in (*before.interfaces, *machine.interfaces)}))
    if not machine.gone:
        await one.tags()  # last of all: while the mark is there, something may be left to do
    if left:
        raise Drifted(f"{name}: {'; '.join(left)}")


class _Release:
    """The items of one instance."""

    def __init__(self, aws: Aws, groups: Groups, before: Machine, machine: Machine) -> None:
        self._aws = aws
        self._groups = groups
        self._before = before
        self._now = machine

    async def sessions(self) -> None:
        role, name = self._before.role, denial_name(self._before.id)
        if role is None or self._before.denial is not None:
            return
        found = await policy_of(self._aws, role, name)
        if found is None:
            return
        if found != denial(self._aws.cloud, self._before.id):
            raise _Left(f"policy {name} of role {role}: expected ours, found another text")
        await self._aws.call("iam", "delete_role_policy", RoleName=role, PolicyName=name)

    async def interfaces(self) -> None:
        ours = await self._groups.ours({one.vpc for one in self._now.interfaces})
        left = [
            f"{recorded.id}: expected it at {self._before.id}, found it gone"
            for recorded in self._before.interfaces
            if self._now.interface(recorded.id) is None
        ]
        for interface in self._now.interfaces:
            was = self._before.interface(interface.id)
            wanted = was.groups if was else await self._kept_with(interface.id)
            if wanted is None or sorted(interface.groups) == sorted(wanted):
                continue
            if not ours.issuperset(interface.groups):
                found = ", ".join(interface.groups)
                left.append(f"{interface.id}: expected it in a group of ours, found it in {found}")
                continue
            try:
                await self._aws.call(
                    "ec2",
                    "modify_network_interface_attribute",
                    NetworkInterfaceId=interface.id,
                    Groups=list(wanted),
                )
            except AwsError as error:
                left.append(f"{interface.id} stays closed: {error}")
        if left:
            raise _Left("; ".join(left))

    async def _kept_with(self, interface: str) -> tuple[str, ...] | None:
        """The groups that an interface had which came during the isolation; None: not closed by us."""
        filters = [
            {"Name": "resource-id", "Values": [interface]},
            {"Name": "key", "Values": [WERE]},
        ]
        for tag in await self._aws.pages("ec2", "describe_tags", "Tags", Filters=filters):
            return tuple(tag["Value"].split())
        return None

    async def elastic(self, recorded: Elastic) -> None:
        said = f"{recorded.allocation}: expected it free for {recorded.interface}"
        if any(one.allocation == recorded.allocation for one in self._now.elastic):
            return
        try:
            found = await self._aws.call(
                "ec2", "describe_addresses", AllocationIds=[recorded.allocation]
            )
        except AwsError as error:
            raise _Left(f"{said}, found it released") from error
        if any(one.get("AssociationId") for one in found["Addresses"]):
            raise _Left(f"{said}, found it associated elsewhere")
        where: Answer = {"PrivateIpAddress": recorded.private} if recorded.private else {}
        try:
            await self._aws.call(
                "ec2",
                "associate_address",
                AllocationId=recorded.allocation,
                NetworkInterfaceId=recorded.interface,
                AllowReassociation=False,
                **where,
            )
        except AwsError as error:
            if error.code != "Resource.AlreadyAssociated":
                raise
            raise _Left(f"{said}, found it associated elsewhere") from error

    async def protection(self) -> None:
        before, now = self._before, self._now
        changes: list[Answer] = []
        if now.shutdown != before.shutdown:
            changes.append(shutdown_as(before.shutdown))
        if now.stop_protected != before.stop_protected:
            changes.append({"DisableApiStop": {"Value": before.stop_protected}})
        if now.protected != before.protected:
            changes.append({"DisableApiTermination": {"Value": before.protected}})
        there = {(one.device, one.id): one for one in now.volumes}
        left = []
        for volume in before.volumes:
            attached = there.get((volume.device, volume.id))
            if attached is None:
                left.append(f"{volume.id}: expected it at {volume.device}, found it detached")
            elif attached.delete_on_termination != volume.delete_on_termination:
                ebs: Answer = {"DeleteOnTermination": volume.delete_on_termination}
                mapping = {"DeviceName": volume.device, "Ebs": ebs}
                changes.append({"BlockDeviceMappings": [mapping]})
        for change in changes:
            await self._aws.call("ec2", "modify_instance_attribute", InstanceId=before.id, **change)
        if left:
            raise _Left("; ".join(left))

    async def scaling(self) -> None:
        was, now = self._before.scaling, self._now.scaling
        if was is None or was.lifecycle != "InService":
            return
        if now is None or now.group != was.group:
            found = now.group if now else "no group"
            raise _Left(f"{was.group}: expected it to have {self._before.id}, found it in {found}")
        if now.lifecycle == "EnteringStandby":
            raise Unreachable(f"{was.group}: {now.lifecycle}; it comes back when it is in standby")
        if now.lifecycle == "Standby":
            await self._aws.call(
                "autoscaling",
                "exit_standby",
                once=True,
                AutoScalingGroupName=was.group,
                InstanceIds=[self._before.id],
            )
        kept = [{"Name": "resource-id", "Values": [self._before.id]}]
        kept.append({"Name": "key", "Values": [CAPACITY_KEPT]})
        if await self._aws.pages("ec2", "describe_tags", "Tags", Filters=kept):
            raise _Left(
                f"{was.group}: it was at its minimum, so a replacement was started, and it now has "
                "one more instance; which of them goes is left to a person"
            )

    async def balancers(self) -> None:
        there = set(self._now.targets)
        for target in self._before.targets:
            if target not in there:
                await self._aws.call(
                    "elbv2",
                    "register_targets",
                    TargetGroupArn=target.group,
                    Targets=[{"Id": target.id, "Port": target.port}],
                )
        for balancer in self._before.balancers:
            if balancer not in self._now.balancers:
                await self._aws.call(
                    "elb",
                    "register_instances_with_load_balancer",
                    LoadBalancerName=balancer,
                    Instances=[{"InstanceId": self._before.id}],
                )

    async def tags(self) -> None:
        """Take away what we wrote on the instance and its interfaces."""
        keys = [{"Key": key} for key in (MARK, CAPACITY_KEPT, WERE)]
        where = [self._before.id, *(one.id for one in self._now.interfaces)]
        await self._aws.call("ec2", "delete_tags", Resources=where, Tags=keys)
