"""Fixtures that every room's tests may use."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

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
from tests.lab import sandbox
from tests.lab.network import Lab, why_not

# In CI the same examples every time; at a desk new ones, so that what CI cannot meet is met there.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")


def pytest_configure(config: pytest.Config) -> None:
    """Each of several processes that run tests at once builds a lab of its own."""
    if hasattr(config, "workerinput"):
        sandbox.apart()


@pytest.fixture(scope="session")
def built_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """The network of real hosts; skipped where it cannot be built."""
    if said := why_not():
        pytest.skip(said)
    network = Lab(tmp_path_factory.mktemp("lab"))
    yield network
    network.close()


@pytest.fixture(scope="module")
def lab(built_lab: Lab) -> Lab:
    """The network of real hosts, booted anew: whatever a module left behind is gone."""
    built_lab.reboot()
    return built_lab
