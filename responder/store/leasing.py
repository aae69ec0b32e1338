"""What was decided about leases: which holds an ask would end or extend, in the order of its undoing."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from responder.store.columns import metadata
from responder.store.tables import asks, holds

leased = Table(
    "leased",
    metadata,
    Column("ask", ForeignKey(asks.c.id), primary_key=True),
    Column("hold", ForeignKey(holds.c.id), primary_key=True),
    Column("position", Integer, nullable=False),
    Index("ix_leased_hold", "hold"),
)
