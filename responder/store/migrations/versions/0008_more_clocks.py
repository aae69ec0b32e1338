"""clocks that pause, duties to report, notes, and who watches the watch."""

import sqlalchemy as sa
from alembic import op

from responder.store.columns import Moment

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here."""
    with op.batch_alter_table("incidents", schema=None) as batch_op:
        batch_op.add_column(sa.Column("unanswered", Moment(), nullable=True))
        batch_op.add_column(sa.Column("lapses", Moment(), nullable=True))
        batch_op.add_column(sa.Column("next_strike", Moment(), nullable=True))
        batch_op.add_column(sa.Column("chain", sa.JSON(), nullable=True))
        batch_op.create_index("ix_incidents_next_strike", ["next_strike"], unique=False)
    with op.batch_alter_table("clocks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("within", sa.Float(), nullable=True))
        batch_op.add_column(sa.Column("pauses", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("climbed", Moment(), nullable=True))
        batch_op.add_column(
            sa.Column("missed", sa.Integer(), nullable=False, server_default=sa.text("0"))
        )
    op.create_table(
        "notes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("by", sa.String(length=255), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("is_update", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name=op.f("fk_notes_incident_incidents")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notes")),
    )
    with op.batch_alter_table("notes", schema=None) as batch_op:
        batch_op.create_index("ix_notes_incident", ["incident"], unique=False)
    op.create_table(
        "duties",
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("regime", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("aware", Moment(), nullable=False),
        sa.Column("classified", Moment(), nullable=True),
        sa.Column("began", Moment(), nullable=False),
        sa.Column("due", Moment(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("struck", sa.Float(), nullable=False),
        sa.Column("breached", Moment(), nullable=True),
        sa.Column("done", Moment(), nullable=True),
        sa.Column("done_by", sa.String(length=255), nullable=True),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name=op.f("fk_duties_incident_incidents")
        ),
        sa.PrimaryKeyConstraint("incident", "regime", "stage", name=op.f("pk_duties")),
    )
    op.create_table(
        "findings",
        sa.Column("key", sa.String(length=400), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=True),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("found", Moment(), nullable=False),
        sa.Column("seen", Moment(), nullable=False),
        sa.Column("gone", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_findings")),
    )
    with op.batch_alter_table("findings", schema=None) as batch_op:
        batch_op.create_index("ix_findings_gone", ["gone"], unique=False)
    op.create_table(
        "heartbeats",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("took", sa.Float(), nullable=False),
        sa.Column("said", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_heartbeats")),
    )
