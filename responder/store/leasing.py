"""What was decided about leases: which holds an ask would end or extend, in the order of its undoing."""

from sqlalchemy import Column, ForeignKey, Index, Integer, Table

from responder.store.columns import metadata

leased = Table(
    "leased",
    metadata,
    Column("ask", ForeignKey("asks.id"), primary_key=True),
    Column("hold", ForeignKey("holds.id"), primary_key=True),
    Column("position", Integer, nullable=False),
    Index("ix_leased_hold", "hold"),
)
