"""Points of AWS under the contract of blocking, at an emulator. No packets: nothing is probed."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from activities.aws import Answer, Aws
from activities.providers.nacl import NaclBlock
from activities.providers.waf import WafBlock
from responder.cloud_points import NetworkAclPoint, WafPoint
from responder.incident import Network
from tests.providers.aws.server import Call, Door, Said
from tests.providers.aws.test_nacl import entries, new_acl
from tests.providers.aws.test_waf import a_point, held
from tests.providers.ground import Ground, Opening


class AwsGround(Ground):
    """A point of AWS behind a door that can be shut."""

    expires = False

    def __init__(self, aws: Aws, way: Door) -> None:
        self.aws = aws
        self.way = way

    async def open(self) -> None:
        """Make the point."""
        raise NotImplementedError

    async def silence(self) -> None:
        self.way.answering.append(_unknown)

    async def mend(self) -> None:
        self.way.answering.clear()


class WafGround(AwsGround):
    """Two IP sets that a web ACL blocks."""

    point: WafPoint

    async def open(self) -> None:
        self.point = await a_point(self.aws, "198.51.100.200/32")

    def block(self, network: Network) -> WafBlock:
        return WafBlock(self.aws, network, self.point)

    async def dump(self) -> str:
        sets = [await held(self.aws, one) for one in (self.point.v4, self.point.v6)]
        return json.dumps([sorted(one["Addresses"]) for one in sets])

    async def place(self, network: Network) -> None:
        await self.block(network).write(True, key="theirs", until=None, tag="")


class NaclGround(AwsGround):
    """A network ACL as a VPC has it."""

    point: NetworkAclPoint

    async def open(self) -> None:
        self.point = await new_acl(self.aws)

    def block(self, network: Network) -> NaclBlock:
        return NaclBlock(self.aws, network, self.point)

    async def dump(self) -> str:
        found: list[Answer] = await entries(self.aws, self.point.acl)
        return json.dumps(found, sort_keys=True)

    async def place(self, network: Network) -> None:
        await self.block(network).write(True, key="theirs", until=None, tag="")


def _unknown(call: Call) -> Said:
    """What AWS says to credentials that have expired: what it holds cannot be known then."""
    if call.service == "wafv2":
        return 400, "application/x-amz-json-1.1", b'{"__type": "ExpiredTokenException"}'
    body = b"<Response><Errors><Error><Code>RequestExpired</Code></Error></Errors></Response>"
    return 400, "text/xml", body


def at_aws(make: type[AwsGround]) -> Opening:
    """The ground that *make* is, in an account of its own emulator."""

    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest) -> AsyncIterator[Ground]:
        ground = make(request.getfixturevalue("aws"), request.getfixturevalue("way"))
        await ground.open()
        yield ground

    return opened
