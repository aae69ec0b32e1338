"""The tables of second factors: what people prove themselves with, and what was tried."""

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from responder.store.columns import Moment, metadata
from responder.store.tables import asks

factors = Table(
    "factors",
    metadata,
    Column("principal", String(255), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("secret", LargeBinary, nullable=False),
    Column("last_step", BigInteger, nullable=False, default=0),
)

# Of every kind of code together, so that two kinds do not give twice the tries.
factor_tries = Table(
    "factor_tries",
    metadata,
    Column("principal", String(255), primary_key=True),
    Column("tries", JSON, nullable=False),
)

backup_codes = Table(
    "backup_codes",
    metadata,
    Column("principal", String(255), primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("hash", Text, nullable=False),
    Column("made", Moment, nullable=False),
    Column("used", Moment, nullable=True),
)

passkeys = Table(
    "passkeys",
    metadata,
    # Base64url: an authenticator may make an id of up to 1,023 bytes (WebAuthn level 2, section 4).
    Column("id", String(1364), primary_key=True),
    Column("principal", String(255), nullable=False),
    Column("name", String(64), nullable=False),
    Column("handle", LargeBinary, nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("made", Moment, nullable=False),
    Column("used", Moment, nullable=True),
    Column("stopped", Moment, nullable=True),
    UniqueConstraint("principal", "name"),
)

challenges = Table(
    "challenges",
    metadata,
    Column("challenge", String(64), primary_key=True),
    Column("principal", String(255), nullable=False),
    Column("purpose", String(700), nullable=False),
    Column("data", JSON, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("used", Moment, nullable=True),
    Index("ix_challenges_expires", "expires"),
)

enrolment_tickets = Table(
    "enrolment_tickets",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("principal", String(255), nullable=False),
    Column("made_by", String(255), nullable=False),
    Column("expires", Moment, nullable=False),
    Column("used", Moment, nullable=True),
    Index("ix_enrolment_tickets_principal", "principal"),
)

number_tries = Table(
    "number_tries",
    metadata,
    Column("ask", ForeignKey(asks.c.id), primary_key=True),
    Column("principal", String(255), primary_key=True),
    Column("wrong", Integer, nullable=False),
)
