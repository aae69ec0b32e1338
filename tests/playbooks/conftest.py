"""The public fixtures, as an author's own conftest.py has them; and whoever is run here is held to its drawing."""

from collections.abc import Iterator

import pytest

from playbooks import PLAYBOOKS
from responder.authoring.code import Kind
from responder.rehearsal.witness import witnessing
from responder.testing import migrated, run_playbook, world  # noqa: F401 - fixtures
from tests.authoring.conftest import known  # noqa: F401 - fixture
from tests.authoring.edges import graph_of, missing


@pytest.fixture(autouse=True)
def _what_is_executed_is_drawn(known: dict[str, Kind]) -> Iterator[None]:  # noqa: F811 - pytest's way
    """Every edge that any test of a playbook executes is in the playbook's graph."""
    with witnessing() as witness:
        yield
    ran = [one for one in PLAYBOOKS if witness.edges(one.__name__)]
    assert [said for one in ran for said in missing(graph_of(one, known), witness)] == []
