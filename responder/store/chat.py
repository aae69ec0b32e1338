"""The tables of Slack: what is shown there, who keeps it up to date, and what was heard from there."""

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from responder.store.columns import Moment, metadata
from responder.store.tables import incidents

cards = Table(
    "cards",
    metadata,
    Column("id", String(160), primary_key=True),
    Column("part", String(16), nullable=False),
    Column("incident", ForeignKey(incidents.c.id), nullable=True),
    Column("channel", String(32), nullable=False),
    Column("ts", String(32), nullable=True),
    Column("made", Moment, nullable=False),
    # What is shown: its digest, of which revision of the incident, and as of when it was so.
    Column("digest", String(64), nullable=False, default=""),
    Column("revision", Integer, nullable=False, default=-1),
    Column("shown", Moment, nullable=True),
    Column("wanted", Moment, nullable=True),
    # The newest message about the incident that what is shown was drawn with.
    Column("seen", Integer, nullable=False, default=0),
    # The newest loud message that a post in the channel told of, and how many posts there were.
    Column("told", Integer, nullable=False, default=0),
    Column("posts", Integer, nullable=False, default=0),
    Column("text", Text, nullable=False, default=""),
    # A posting that began and whose end is not known; the mark by which it is known again.
    Column("mark", String(32), nullable=False),
    Column("begun", Moment, nullable=True),
    Column("unsure", Integer, nullable=False, default=0),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_try", Moment, nullable=True),
    Column("said", Text, nullable=False, default=""),
    Index("ix_cards_incident", "incident"),
    Index("ix_cards_ts", "ts"),
)

card_keeper = Table(
    "card_keeper",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("until", Moment, nullable=False),
    Column("down", Moment, nullable=True),
    Column("said", Text, nullable=False, default=""),
)

buttons = Table(
    "buttons",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("incident", ForeignKey(incidents.c.id), nullable=False),
    Column("action", String(16), nullable=False),
    Column("ask", String(32), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("made", Moment, nullable=False),
    UniqueConstraint("incident", "action", "ask", "digest"),
)

heard = Table(
    "heard",
    metadata,
    Column("key", String(160), primary_key=True),
    Column("kind", String(16), nullable=False),
    Column("user", String(32), nullable=False),
    Column("at", Moment, nullable=False),
    Index("ix_heard_at", "at"),
)
