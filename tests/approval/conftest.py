"""The approval service with its people."""

import pytest

from responder.store import Store
from tests.approval.desk import Asked
from tests.databases import ManualClock


@pytest.fixture
def database() -> str:
    """SQLite, unless a test asks for both."""
    return "sqlite"


@pytest.fixture
def asked(store: Store, clock: ManualClock) -> Asked:
    """The approval service."""
    return Asked(store, clock)
