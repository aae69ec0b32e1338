"""The verbs on a world in memory: what they leave in the store is what standing is judged by."""

import pytest

from responder.store import Store
from tests.databases import ManualClock
from tests.verbs.desk import Desk


@pytest.fixture
def database() -> str:
    """SQLite: a status is not about the database."""
    return "sqlite"


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    """The verbs on a world in memory."""
    return Desk(store, clock)
