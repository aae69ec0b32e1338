"""The tables of being signed in: tokens of the API, sessions of browsers, passwords and tries."""

from sqlalchemy import JSON, BigInteger, Column, Index, Integer, String, Table, Text

from responder.store.columns import Moment, metadata

# A token is a signed JWT; its row says whose it is and whether it was revoked, by its `jti`'s digest.
tokens = Table(
    "tokens",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("principal", String(255), nullable=False),
    Column("made", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("revoked", Moment, nullable=True),
    Column("kid", String(64), nullable=False),
    Index("ix_tokens_principal", "principal"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("principal", String(255), nullable=False),
    Column("method", String(32), nullable=False),
    Column("factors", JSON, nullable=False),
    Column("agent", Text, nullable=False),
    Column("made", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("ended", Moment, nullable=True),
    Index("ix_sessions_principal", "principal"),
)

passwords = Table(
    "passwords",
    metadata,
    Column("principal", String(255), primary_key=True),
    Column("hash", Text, nullable=False),
    Column("changed", Moment, nullable=False),
)

login_tries = Table(
    "login_tries",
    metadata,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("person", String(64), nullable=False),  # the digest of what was typed
    Column("address", String(200), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_login_tries_at", "at"),
)

# Logins that were sent to an OIDC provider and are not back yet, by the digest of the browser's secret.
oidc_logins = Table(
    "oidc_logins",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("made", Moment, nullable=False),
)
