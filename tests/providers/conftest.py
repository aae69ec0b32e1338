"""A server of the lab, reached as the runner reaches it and left as it was found."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from activities.shells import SSHShell
from tests.lab.network import SERVERS, Lab


@pytest.fixture(autouse=True)
def _clean(lab: Lab) -> Iterator[None]:
    yield
    for server in SERVERS:
        lab.mend(server)
        lab.flush(server)


@pytest_asyncio.fixture
async def shell(lab: Lab) -> AsyncIterator[SSHShell]:
    """The kept connection to `web`."""
    opened = SSHShell(lab.access("web"))
    yield opened
    await opened.close()


@pytest_asyncio.fixture
async def hasty(lab: Lab) -> AsyncIterator[SSHShell]:
    """A connection to `web` that gives up within a second."""
    opened = SSHShell(lab.access("web"), connect_seconds=0.4, command_seconds=0.4)
    yield opened
    await opened.close()
