"""The tables of being on call: who stands in for whom."""

from sqlalchemy import Column, Index, String, Table, Text

from responder.store.columns import Moment, metadata

overrides = Table(
    "overrides",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("roster", String(64), nullable=False),
    Column("person", String(255), nullable=False),
    Column("start", Moment, nullable=False),
    Column("end", Moment, nullable=False),
    Column("reason", Text, nullable=False, default=""),
    Column("made", Moment, nullable=False),
    Column("made_by", String(255), nullable=False),
    Column("withdrawn", Moment, nullable=True),
    Index("ix_overrides_end", "end"),
)
