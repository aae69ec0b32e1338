"""Fixtures that every room's tests may use."""

from collections.abc import Iterator

import pytest

from tests.databases import clock as clock
from tests.databases import database as database
from tests.databases import empty_url as empty_url
from tests.databases import open_store as open_store
from tests.databases import postgres as postgres
from tests.databases import postgres_url as postgres_url
from tests.databases import sqlite_template as sqlite_template
from tests.databases import store as store
from tests.databases import store_url as store_url
from tests.lab.network import Lab, why_not


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The network of real hosts; skipped where it cannot be built."""
    if said := why_not():
        pytest.skip(said)
    network = Lab(tmp_path_factory.mktemp("lab"))
    yield network
    network.close()
