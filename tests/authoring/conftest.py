"""What the tests of the author's tools share."""

import pytest

from responder.authoring.code import Kind, kinds_of
from responder.catalogue import load_kinds
from responder.settings import Settings
from responder.testing import migrated, run_playbook, world  # noqa: F401 - fixtures


@pytest.fixture(scope="session")
def known() -> dict[str, Kind]:
    """The actions and lookups of this project."""
    kinds = load_kinds(Settings())
    return kinds_of(kinds.actions, kinds.lookups)
