"""The tables of second factors."""

from sqlalchemy import JSON, BigInteger, Column, LargeBinary, String, Table

from responder.store.tables import metadata

factors = Table(
    "factors",
    metadata,
    Column("principal", String(255), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False, default=0),
    Column("tries", JSON, nullable=False),
)
