"""The public fixtures, as an author's own conftest.py has them."""

from responder.testing import migrated, run_playbook, world  # noqa: F401 - fixtures
