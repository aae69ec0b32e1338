"""The tables of reaching people: each channel's attempts at a message, and pages that wait for somebody."""

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from responder.store.columns import Moment, metadata
from responder.store.tables import incidents, messages, runs

sendings = Table(
    "sendings",
    metadata,
    Column("message", ForeignKey(messages.c.id), primary_key=True),
    Column("channel", String(64), primary_key=True),
    Column("attempts", Integer, nullable=False),
    Column("tried", Moment, nullable=False),
    Column("next_try", Moment, nullable=True),
    Column("receipt", Text, nullable=False, default=""),
    Column("said", Text, nullable=False, default=""),
)

pages = Table(
    "pages",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("key", String(320), nullable=False, unique=True),
    Column("incident", ForeignKey(incidents.c.id), nullable=False),
    Column("run", ForeignKey(runs.c.id), nullable=False),
    Column("role", String(128), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("opened", Moment, nullable=False),
    Column("times", Integer, nullable=False),
    Column("next_page", Moment, nullable=True),
    Column("acknowledged", Moment, nullable=True),
    Column("acknowledged_by", String(255), nullable=True),
    Column("unanswered", Moment, nullable=True),
    Column("heard", Boolean, nullable=False, default=False),
    Index("ix_pages_incident", "incident"),
)
