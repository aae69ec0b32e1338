"""Fixtures that every room's tests may use."""

from collections.abc import Iterator

import pytest

from tests.databases import (  # noqa: F401 - fixtures
    clock,
    database,
    empty_url,
    open_store,
    postgres,
    postgres_url,
    sqlite_template,
    store,
    store_url,
)
from tests.lab.network import Lab, why_not


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The network of real hosts; skipped where it cannot be built."""
    if said := why_not():
        pytest.skip(said)
    network = Lab(tmp_path_factory.mktemp("lab"))
    yield network
    network.close()
