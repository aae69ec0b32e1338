"""The account under test is a fixture of all providers; here nothing of the lab is needed."""

import pytest

from tests.providers.aws.account import ACCOUNT, REGION

__all__ = ["ACCOUNT", "REGION"]


@pytest.fixture
def _clean() -> None:
    """Nothing of the lab is used here: the hosts' own cleaning is not needed."""
