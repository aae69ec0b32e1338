"""The tables of asking people: whom, when, and how fast they answered; what was reported, edited, reviewed."""

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, String, Table, Text

from responder.store.columns import Moment, metadata
from responder.store.tables import asks, incidents, steps

# Who was told of an ask, by which message, and when each of them first opened it.
askings = Table(
    "askings",
    metadata,
    Column("ask", ForeignKey(asks.c.id), primary_key=True),
    Column("person", String(255), primary_key=True),
    Column("message", String(400), nullable=True),
    Column("told", Moment, nullable=True),
    Column("opened", Moment, nullable=True),
    Index("ix_askings_person", "person"),
)

# Asks that too few people may be told of now, and the message that speaks for them.
unsaid = Table(
    "unsaid",
    metadata,
    Column("ask", ForeignKey(asks.c.id), primary_key=True),
    Column("priority", String(2), nullable=False),
    Column("why", String(16), nullable=False),
    Column("message", String(400), nullable=False),
    Column("at", Moment, nullable=False),
    Column("said", Moment, nullable=True),
    Index("ix_unsaid_said", "said"),
)

# Who asks of no person any more in an incident, because an ask of theirs was reported.
mutes = Table(
    "mutes",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("incident", ForeignKey(incidents.c.id), nullable=False),
    Column("requester", String(255), nullable=False),
    Column("ask", ForeignKey(asks.c.id), nullable=False),
    Column("person", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("lifted", Moment, nullable=True),
    Column("lifted_by", String(255), nullable=True),
    Index("ix_mutes_incident", "incident"),
)

# What somebody else must look at after a glass was broken.
reviews = Table(
    "reviews",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("ask", ForeignKey(asks.c.id), nullable=False, unique=True),
    Column("incident", String(64), nullable=False),
    Column("person", String(255), nullable=False),
    Column("reason", Text, nullable=False),
    Column("opened", Moment, nullable=False),
    Column("due", Moment, nullable=False),
    Column("overdue", Moment, nullable=True),
    Column("done", Moment, nullable=True),
    Column("reviewer", String(255), nullable=True),
    Column("verdict", String(16), nullable=True),
    Column("said", Text, nullable=False, default=""),
)

# What people changed of a plan instead of approving it; signed like a decision.
edits = Table(
    "edits",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("step", ForeignKey(steps.c.key), nullable=False),
    Column("ask", ForeignKey(asks.c.id), nullable=False, unique=True),
    Column("person", String(255), nullable=False),
    Column("document", JSON, nullable=False),
    Column("signature", String(128), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_edits_step", "step"),
)
