"""An emulator for the session, a door before it for each test, and an account behind it: fixtures."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from activities.aws import Aws
from responder.cloud import Cloud
from tests.providers.aws.server import ENVIRONMENT, Door, door, emulator

ACCOUNT = "123456789012"  # moto's
REGION = "eu-central-1"


@pytest.fixture(scope="session")
def _no_real_credentials() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ENVIRONMENT.items():
            patch.setenv(name, value)
        for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def moto(_no_real_credentials: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with emulator(tmp_path_factory.mktemp("moto")) as url:
        yield url


@pytest.fixture(scope="session")
def _door(moto: str) -> Iterator[Door]:
    with door(moto) as opened:
        yield opened


@pytest.fixture
def way(_door: Door) -> Iterator[Door]:
    """The door that the account under test goes through."""
    _door.reset()
    yield _door
    _door.reset()


@pytest.fixture
def cloud(way: Door) -> Cloud:
    return Cloud(name="prod", account=ACCOUNT, region=REGION, endpoint_url=way.url)


@pytest.fixture(scope="session")
def _aws(_door: Door) -> Iterator[Aws]:
    # Kept: boto3 needs most of a second to read its model of EC2 for a new session.
    opened = Aws(Cloud(name="prod", account=ACCOUNT, region=REGION, endpoint_url=_door.url))
    yield opened
    asyncio.run(opened.close())


@pytest.fixture
def aws(_aws: Aws, way: Door) -> Aws:
    """The account under test."""
    return _aws


@pytest.fixture
def colleague(moto: str) -> Callable[[str], Any]:
    """Somebody else with power over the same account, by boto3 past the door: `colleague("ec2")`."""

    def client(service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=moto)  # type: ignore[call-overload]

    return client
