"""A runner for a whole module, on the lab's firewalls or on a feed."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e.runner import Runner
from tests.lab.network import Lab


def on_the_lab(lab: Lab) -> dict[str, Any]:
    """Settings whose enforcement points are the lab's two firewalls, over SSH."""

    def access(host: str) -> dict[str, Any]:
        found: dict[str, Any] = lab.access(host).model_dump(mode="json")
        return found

    return {
        "inventory": {
            "hosts": [
                {
                    "name": "web-1",
                    "aliases": ["web"],
                    "addresses": ["198.51.100.10"],
                    "access": access("web"),
                },
                {
                    "name": "db-1",
                    "addresses": ["198.51.100.20"],
                    "access": access("db"),
                    "protected": True,
                },
            ],
            "points": [
                {"kind": "nftables", "name": "fra1", "access": access("web")},
                {"kind": "nftables", "name": "ams1", "access": access("edge2")},
            ],
            "isolation": {"management": ["198.51.100.5"], "evidence": ["198.51.100.6"]},
        },
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def runner(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Runner]:
    """One runner for the module, on two real firewalls."""
    folder: Path = tmp_path_factory.mktemp("runner")
    made = Runner(folder, on_the_lab(lab))
    await made.start()
    yield made
    await made.close()


@pytest.fixture(autouse=True)
def _clean(lab: Lab) -> None:
    """Every test finds the firewalls without anything of ours."""
    for host in ("web", "edge2", "db"):
        lab.flush(host)
