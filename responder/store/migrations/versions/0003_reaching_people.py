"""attempts of each channel, and pages that wait for somebody."""

import sqlalchemy as sa
from alembic import op

from responder.store.columns import Moment

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here."""
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("next_try", Moment(), nullable=True))
    op.create_table(
        "sendings",
        sa.Column("message", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tried", Moment(), nullable=False),
        sa.Column("next_try", Moment(), nullable=True),
        sa.Column("receipt", sa.Text(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["message"], ["messages.id"], name=op.f("fk_sendings_message_messages")
        ),
        sa.PrimaryKeyConstraint("message", "channel", name=op.f("pk_sendings")),
    )
    op.create_table(
        "pages",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("key", sa.String(length=320), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("run", sa.String(length=255), nullable=False),
        sa.Column("role", sa.String(length=128), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("opened", Moment(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("next_page", Moment(), nullable=True),
        sa.Column("acknowledged", Moment(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=255), nullable=True),
        sa.Column("unanswered", Moment(), nullable=True),
        sa.Column("heard", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name=op.f("fk_pages_incident_incidents")
        ),
        sa.ForeignKeyConstraint(["run"], ["runs.id"], name=op.f("fk_pages_run_runs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pages")),
        sa.UniqueConstraint("key", name=op.f("uq_pages_key")),
    )
    with op.batch_alter_table("pages", schema=None) as batch_op:
        batch_op.create_index("ix_pages_incident", ["incident"], unique=False)
