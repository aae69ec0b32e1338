"""Every table. Times are UTC, kept as whole microseconds so that both databases agree."""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Moment(TypeDecorator[datetime]):
    """A UTC time as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value!r} has no time zone; a stored time must be UTC")
        return (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=int(value))


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

counters = Table(
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("source", String(64), nullable=False),
    Column("delivery", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("received", Moment, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(16), nullable=False),
    Column("attempts", Integer, nullable=False, default=0),
    Column("said", Text, nullable=False, default=""),
    UniqueConstraint("source", "delivery"),
    Index("ix_deliveries_state", "state"),
)

alerts = Table(
    "alerts",
    metadata,
    Column("id", String(320), primary_key=True),
    Column("delivery_id", ForeignKey("deliveries.id"), nullable=False),
    Column("source", String(64), nullable=False),
    Column("occurred", Moment, nullable=False),
    Column("received", Moment, nullable=False),
    Column("facts", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("said", Text, nullable=False, default=""),
    Column("incident", String(64), nullable=True),
    Index("ix_alerts_incident", "incident"),
    Index("ix_alerts_state", "state"),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("open_key", String(400), nullable=True, unique=True),
    Column("title", Text, nullable=False),
    Column("priority", String(2), nullable=False),
    Column("category", String(64), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("began", Moment, nullable=False),
    Column("opened", Moment, nullable=False),
    Column("indicators", JSON, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("seen_revision", Integer, nullable=False, default=0),
    Column("status", String(32), nullable=False),
    Column("owner", String(255), nullable=True),
    Column("acknowledged", Moment, nullable=True),
    Column("contained", Moment, nullable=True),
    Column("closed", Moment, nullable=True),
    Column("resolution", String(64), nullable=True),
    Column("breached", Boolean, nullable=False, default=False),
    Column("unanswered", Moment, nullable=True),
    Column("lapses", Moment, nullable=True),
    Column("next_strike", Moment, nullable=True),
    Column("chain", JSON, nullable=True),
    # The people who opened it, or joined it, by hand; none where senders' alerts did.
    Column("asked_by", JSON, nullable=True),
    Index("ix_incidents_closed", "closed"),
    Index("ix_incidents_next_strike", "next_strike"),
)

clocks = Table(
    "clocks",
    metadata,
    Column("incident", ForeignKey("incidents.id"), primary_key=True),
    Column("clock", String(16), primary_key=True),
    Column("started", Moment, nullable=False),
    Column("due", Moment, nullable=False),
    Column("met", Moment, nullable=True),
    Column("struck", Float, nullable=False, default=0.0),
    Column("breached", Moment, nullable=True),
    Column("level", Integer, nullable=False, default=0),
    # Seconds that count towards `due`: working time where there are hours, and no pauses.
    Column("within", Float, nullable=True),
    Column("pauses", JSON, nullable=True),
    Column("climbed", Moment, nullable=True),
    Column("missed", Integer, nullable=False, default=0, server_default="0"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", String(255), primary_key=True),
    Column("incident", ForeignKey("incidents.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("playbook", String(128), nullable=False),
    Column("code", String(64), nullable=False),
    Column("indicators", JSON, nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened", Moment, nullable=False),
    Column("bound", String(64), nullable=True),
    Column("contained", Moment, nullable=True),
    Column("closed", Moment, nullable=True),
    Column("said", Text, nullable=False, default=""),
    UniqueConstraint("incident", "number"),
    Index("ix_runs_state", "state"),
)

steps = Table(
    "steps",
    metadata,
    Column("key", String(320), primary_key=True),
    Column("run", ForeignKey("runs.id"), nullable=False),
    Column("asked_for", String(64), nullable=False),
    Column("plan", JSON, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("state", String(16), nullable=False),
    Column("planned", Moment, nullable=False),
    Column("begun", Moment, nullable=True),
    Column("finished", Moment, nullable=True),
    Column("said", Text, nullable=False, default=""),
    Column("warrant", LargeBinary, nullable=True),
    Index("ix_steps_run", "run"),
)

asks = Table(
    "asks",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("step", ForeignKey("steps.key"), nullable=True, unique=True),
    Column("incident", ForeignKey("incidents.id"), nullable=False),
    Column("run", String(255), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("plan", JSON, nullable=False),
    Column("tier", String(2), nullable=False),
    Column("needs", JSON, nullable=False),
    Column("requester", String(255), nullable=False),
    Column("state", String(16), nullable=False),
    Column("opened", Moment, nullable=False),
    Column("expires", Moment, nullable=False),
    Column("decided", Moment, nullable=True),
    Column("execute_by", Moment, nullable=True),
    Column("delivered", Boolean, nullable=False, default=False),
    Column("number", Integer, nullable=True),
    Column("kind", String(16), nullable=False, default="step", server_default="step"),
    Column("subject", JSON, nullable=True),
    Column("applied", Moment, nullable=True),
    Index("ix_asks_state", "state"),
    Index("ix_asks_kind", "kind"),
)

decisions = Table(
    "decisions",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("ask", ForeignKey("asks.id"), nullable=False),
    Column("principal", String(255), nullable=False),
    Column("approve", Boolean, nullable=False),
    Column("document", JSON, nullable=False),
    Column("signature", String(128), nullable=False),
    Column("revoked", Moment, nullable=True),
    Column("at", Moment, nullable=True),
    Column("after", Float, nullable=True),
    UniqueConstraint("ask", "principal"),
)

resources = Table(
    "resources",
    metadata,
    Column("name", String(400), primary_key=True),
    Column("point", String(128), nullable=False),
    Column("state", String(16), nullable=False),
    Column("base", JSON, nullable=True),
    Column("base_known", Boolean, nullable=False),
    Column("base_expires", Moment, nullable=True),
    Column("base_record", JSON, nullable=True),
    Column("base_seal", LargeBinary, nullable=True),
    Column("record", JSON, nullable=True),
    Column("wanted", JSON, nullable=True),
    Column("until", Moment, nullable=True),
    Column("outcome", String(16), nullable=False),
    Column("said", Text, nullable=False, default=""),
    Column("verified", Moment, nullable=True),
    Column("checked", Moment, nullable=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_try", Moment, nullable=True),
    Column("claimed_by", String(64), nullable=True),
    Column("claimed_until", Moment, nullable=True),
    Index("ix_resources_state", "state"),
)

holds = Table(
    "holds",
    metadata,
    Column("id", String(400), primary_key=True),
    Column("resource", ForeignKey("resources.name"), nullable=False),
    Column("step", String(320), nullable=False),
    Column("incident", String(64), nullable=False),
    Column("run", String(255), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("request", JSON, nullable=False),
    Column("summary", Text, nullable=False),
    Column("tier", String(2), nullable=False),
    Column("taken", Moment, nullable=False),
    Column("until", Moment, nullable=True),
    Column("ended", Moment, nullable=True),
    Column("ended_by", String(255), nullable=True),
    Column("verified", Moment, nullable=True),
    Column("lifted", Moment, nullable=True),
    Index("ix_holds_resource", "resource"),
    Index("ix_holds_incident", "incident"),
    Index("ix_holds_step", "step"),
    Index("ix_holds_taken", "taken"),
)

messages = Table(
    "messages",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("key", String(400), nullable=False, unique=True),
    Column("incident", String(64), nullable=True),
    Column("audience", String(128), nullable=False),
    Column("subject", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("loud", Boolean, nullable=False, default=False),
    Column("made", Moment, nullable=False),
    Column("sent", Moment, nullable=True),
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_try", Moment, nullable=True),
    Column("said", Text, nullable=False, default=""),
    Column("addressees", JSON, nullable=True),
    Index("ix_messages_sent", "sent"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Moment, nullable=False),
    Column("kind", String(64), nullable=False),
    Column("actor", String(255), nullable=False),
    Column("incident", String(64), nullable=True),
    Column("subject", String(400), nullable=False),
    Column("data", JSON, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Index("ix_audit_incident", "incident"),
)

audit_head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
)

settings_now = Table(
    "settings_now",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", JSON, nullable=False),
    Column("changed", Moment, nullable=False),
)
