"""Slack's cards and what is done with them."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from responder.store import Store
from tests.databases import ManualClock
from tests.slack.desk import Desk, Prompt
from tests.slack.wire import double, wire  # noqa: F401 - fixtures


@pytest.fixture
def database() -> str:
    """SQLite, unless a test asks for both."""
    return "sqlite"


@pytest_asyncio.fixture
async def desk(store: Store, clock: ManualClock) -> AsyncIterator[Desk]:
    """People with Slack before them, and everything behind it."""
    async with Prompt() as prompt:
        made = Desk(store, clock, prompt)
        yield made
        await made.settled()
        await made.wire.slack.close()
