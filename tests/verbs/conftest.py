"""The desk at which the verbs are tried."""

import pytest

from responder.store import Store
from tests.databases import ManualClock
from tests.verbs.desk import Desk


@pytest.fixture
def database() -> str:
    """SQLite, unless a test asks for both: what the verbs promise is not about the database."""
    return "sqlite"


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    """The verbs on a world in memory."""
    return Desk(store, clock)
