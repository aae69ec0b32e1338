"""Slack's cards and what is done with them."""

import pytest


@pytest.fixture
def database() -> str:
    """SQLite, unless a test asks for both."""
    return "sqlite"
