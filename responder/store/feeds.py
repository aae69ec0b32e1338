"""The tables of the blocklist feed: what it holds, and who has polled it."""

from sqlalchemy import Column, String, Table

from responder.store.columns import Moment, metadata

feed_entries = Table(
    "feed_entries",
    metadata,
    Column("feed", String(64), primary_key=True),
    Column("network", String(64), primary_key=True),
    Column("until", Moment, nullable=True),
    Column("tag", String(128), nullable=False),
    Column("changed", Moment, nullable=False),
)

feed_polls = Table(
    "feed_polls",
    metadata,
    Column("feed", String(64), primary_key=True),
    Column("consumer", String(64), primary_key=True),
    Column("polled", Moment, nullable=False),
)
