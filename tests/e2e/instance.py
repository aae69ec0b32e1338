"""`web` of the lab as an instance of EC2 at moto, with its disks, behind a door that knows the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.lab.network import address
from tests.providers.aws.conftest import ACCOUNT, REGION
from tests.providers.aws.server import ENVIRONMENT, Door, door, emulator
from tests.providers.aws.test_cloud_logs import Trail
from tests.providers.aws.test_ebs import BLOCK, Storage

VAULT = "eu-west-1"


@contextmanager
def cloud(folder: Path) -> Iterator[Door]:
    """
    An account of AWS, for as long as the environment has its credentials.

    moto knows no locks of snapshots, none of the blocks that EC2 wrote, and no event history: the
    door answers these in the form that AWS documents.
    """
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        with emulator(folder) as url, door(url) as opened:
            storage = Storage(blocks={0: b"\x01" * BLOCK, 7: b"\x02" * BLOCK})
            opened.answering += [storage, Trail()]
            yield opened


def client(opened: Door, service: str, region: str = REGION) -> Any:
    """boto3's own client of a service."""
    return boto3.client(service, region_name=region, endpoint_url=opened.url)  # type: ignore[call-overload]


def launch(opened: Door, host: str) -> dict[str, Any]:
    """The inventory's part about *host*, which from now on runs there at its own address."""
    ec2 = client(opened, "ec2")
    vpc = ec2.create_vpc(CidrBlock="198.51.100.0/24")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="198.51.100.0/24")["Subnet"]["SubnetId"]
    group = ec2.create_security_group(GroupName="theirs", Description="theirs", VpcId=vpc)[
        "GroupId"
    ]
    disk = {"VolumeSize": 8, "DeleteOnTermination": True}
    [made] = ec2.run_instances(
        ImageId="ami-12c6146b", InstanceType="t3.micro", MinCount=1, MaxCount=1, SubnetId=subnet,
        PrivateIpAddress=address(host), SecurityGroupIds=[group],
        BlockDeviceMappings=[{"DeviceName": "/dev/sda1", "Ebs": disk}],
    )["Instances"]  # fmt: skip
    # moto shows an instance's own groups at its interface as well, whatever is changed there.
    ec2.modify_instance_attribute(InstanceId=made["InstanceId"], Groups=[])
    interface = made["NetworkInterfaces"][0]["NetworkInterfaceId"]
    ec2.modify_network_interface_attribute(NetworkInterfaceId=interface, Groups=[group])
    return {"cloud": "prod", "id": made["InstanceId"]}


def clouds(opened: Door) -> dict[str, Any]:
    """The inventory's parts about the account: where the instance is, and where its disks are kept."""
    key = client(opened, "kms", VAULT).create_key()["KeyMetadata"]["Arn"]
    one = {"account": ACCOUNT, "endpoint_url": opened.url}
    return {
        "clouds": [
            {"name": "prod", "region": REGION, **one},
            {"name": "vault", "region": VAULT, **one},
        ],
        "snapshots": {"cloud": "vault", "key": key},
    }
