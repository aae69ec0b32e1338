"""Every room's tables, so that migrations and tests see them all."""

from responder.store import (
    chat,
    factors,
    feeds,
    leasing,
    noticing,
    oncall,
    paging,
    sessions,
    tables,
    watching,
)
from responder.store.columns import metadata

__all__ = [
    "chat",
    "factors",
    "feeds",
    "leasing",
    "metadata",
    "noticing",
    "oncall",
    "paging",
    "sessions",
    "tables",
    "watching",
]
