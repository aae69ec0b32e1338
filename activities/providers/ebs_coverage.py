"""What of an instance is in no snapshot of its volumes, in words for the receipt."""

from activities.aws import Aws, AwsError


async def uncovered_of(aws: Aws, instance: str) -> list[str]:
    """Memory and tmpfs always, and the disks of its instance store if it has any."""
    never = ["memory", "tmpfs"]
    try:
        found = await aws.pages("ec2", "describe_instances", "Reservations", InstanceIds=[instance])
        kind = found[0]["Instances"][0]["InstanceType"]
        types = await aws.call("ec2", "describe_instance_types", InstanceTypes=[kind])
    except (AwsError, LookupError):
        return [*never, "instance store, if it had one: the instance is gone"]
    disks = types["InstanceTypes"][0].get("InstanceStorageInfo", {}).get("Disks", ())
    return [*never, *(f"instance store ({d['Count']} x {d['SizeInGB']} GB)" for d in disks)]
