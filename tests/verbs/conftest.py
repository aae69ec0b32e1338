"""The desk at which the verbs are tried."""

import pytest

from responder.store import Store
from tests.databases import ManualClock
from tests.verbs.desk import Desk


@pytest.fixture
def desk(store: Store, clock: ManualClock) -> Desk:
    """The verbs on a world in memory, once with each database."""
    return Desk(store, clock)


@pytest.fixture
def sqlite_desk(sqlite_store: Store, clock: ManualClock) -> Desk:
    """The same with SQLite alone."""
    return Desk(sqlite_store, clock)
