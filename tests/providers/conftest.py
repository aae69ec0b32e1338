"""A server of the lab, reached as the runner reaches it and left as it was found."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from activities.ssh import SSHShell
from tests.lab.network import Lab
from tests.providers.aws.account import (  # noqa: F401 - fixtures
    _aws,
    _door,
    _no_real_credentials,
    aws,
    cloud,
    colleague,
    moto,
    way,
)


@pytest.fixture(autouse=True)
def _clean(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "lab" in request.fixturenames:  # not every provider is tried on the lab's hosts
        request.getfixturevalue("lab").reset()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shell(lab: Lab) -> AsyncIterator[SSHShell]:
    """The kept connection to `web`."""
    opened = SSHShell(lab.access("web"))
    yield opened
    await opened.close()


@pytest_asyncio.fixture(loop_scope="module")
async def hasty(lab: Lab) -> AsyncIterator[SSHShell]:
    """A connection to `web` that gives up soon."""
    opened = SSHShell(lab.access("web"), connect_seconds=1, command_seconds=0.6)
    yield opened
    await opened.close()
