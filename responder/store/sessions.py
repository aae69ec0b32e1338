"""The tables of being signed in: tokens of the API, and what follows them."""

from sqlalchemy import Column, String, Table

from responder.store.tables import Moment, metadata

tokens = Table(
    "tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("principal", String(255), nullable=False),
    Column("made", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("revoked", Moment, nullable=True),
)
