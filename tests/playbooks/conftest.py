"""The public fixtures, as an author's own conftest.py has them; and what this project knows of actions."""

from responder.testing import migrated, run_playbook, world  # noqa: F401 - fixtures
from tests.authoring.conftest import known  # noqa: F401 - fixture
