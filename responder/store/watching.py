"""The tables of the watch: notes, duties to report, and what the auditor found and when it last looked."""

from sqlalchemy import (
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
)

from responder.store.columns import Moment, metadata
from responder.store.tables import incidents

notes = Table(
    "notes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", ForeignKey(incidents.c.id), nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", String(255), nullable=False),
    Column("text", Text, nullable=False),
    Column("is_update", Boolean, nullable=False, default=False),
    Index("ix_notes_incident", "incident"),
)

# One row a stage of a regime. `projected`: the stage cannot begin before another is done, and `due`
# only says when it would be if that one were done at its last moment.
duties = Table(
    "duties",
    metadata,
    Column("incident", ForeignKey(incidents.c.id), primary_key=True),
    Column("regime", String(64), primary_key=True),
    Column("stage", String(64), primary_key=True),
    Column("place", Integer, nullable=False),
    Column("aware", Moment, nullable=False),
    Column("classified", Moment, nullable=True),
    Column("began", Moment, nullable=False),
    Column("due", Moment, nullable=False),
    Column("state", String(16), nullable=False),
    Column("struck", Float, nullable=False, default=0.0),
    Column("breached", Moment, nullable=True),
    Column("done", Moment, nullable=True),
    Column("done_by", String(255), nullable=True),
    Column("reference", Text, nullable=False, default=""),
)

findings = Table(
    "findings",
    metadata,
    Column("key", String(400), primary_key=True),
    Column("kind", String(64), nullable=False),
    Column("incident", String(64), nullable=True),
    Column("subject", Text, nullable=False),
    Column("found", Moment, nullable=False),
    Column("seen", Moment, nullable=False),
    Column("gone", Moment, nullable=True),
    Index("ix_findings_gone", "gone"),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("took", Float, nullable=False),
    Column("said", Text, nullable=False, default=""),
)
