"""how often people were asked, and what they did about it."""

import sqlalchemy as sa
from alembic import op

from responder.store.columns import Moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here."""
    with op.batch_alter_table("decisions", schema=None) as batch_op:
        batch_op.add_column(sa.Column("at", Moment(), nullable=True))
        batch_op.add_column(sa.Column("after", sa.Float(), nullable=True))
    with op.batch_alter_table("messages", schema=None) as batch_op:
        batch_op.add_column(sa.Column("addressees", sa.JSON(), nullable=True))
    _asking()
    _reporting()
    op.create_table(
        "edits",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("step", sa.String(length=320), nullable=False),
        sa.Column("ask", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("signature", sa.String(length=128), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["step"], ["steps.key"], name=op.f("fk_edits_step_steps")),
        sa.ForeignKeyConstraint(["ask"], ["asks.id"], name=op.f("fk_edits_ask_asks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_edits")),
        sa.UniqueConstraint("ask", name=op.f("uq_edits_ask")),
    )
    with op.batch_alter_table("edits", schema=None) as batch_op:
        batch_op.create_index("ix_edits_step", ["step"], unique=False)


def _asking() -> None:
    op.create_table(
        "askings",
        sa.Column("ask", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("message", sa.String(length=400), nullable=True),
        sa.Column("told", Moment(), nullable=True),
        sa.Column("opened", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["ask"], ["asks.id"], name=op.f("fk_askings_ask_asks")),
        sa.PrimaryKeyConstraint("ask", "person", name=op.f("pk_askings")),
    )
    with op.batch_alter_table("askings", schema=None) as batch_op:
        batch_op.create_index("ix_askings_person", ["person"], unique=False)
    op.create_table(
        "unsaid",
        sa.Column("ask", sa.String(length=32), nullable=False),
        sa.Column("priority", sa.String(length=2), nullable=False),
        sa.Column("why", sa.String(length=16), nullable=False),
        sa.Column("message", sa.String(length=400), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("said", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["ask"], ["asks.id"], name=op.f("fk_unsaid_ask_asks")),
        sa.PrimaryKeyConstraint("ask", name=op.f("pk_unsaid")),
    )
    with op.batch_alter_table("unsaid", schema=None) as batch_op:
        batch_op.create_index("ix_unsaid_said", ["said"], unique=False)


def _reporting() -> None:
    op.create_table(
        "mutes",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("requester", sa.String(length=255), nullable=False),
        sa.Column("ask", sa.String(length=32), nullable=False),
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("lifted", Moment(), nullable=True),
        sa.Column("lifted_by", sa.String(length=255), nullable=True),
        sa.ForeignKeyConstraint(
            ["incident"], ["incidents.id"], name=op.f("fk_mutes_incident_incidents")
        ),
        sa.ForeignKeyConstraint(["ask"], ["asks.id"], name=op.f("fk_mutes_ask_asks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_mutes")),
    )
    with op.batch_alter_table("mutes", schema=None) as batch_op:
        batch_op.create_index("ix_mutes_incident", ["incident"], unique=False)
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("ask", sa.String(length=32), nullable=False),
        sa.Column("incident", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("opened", Moment(), nullable=False),
        sa.Column("due", Moment(), nullable=False),
        sa.Column("overdue", Moment(), nullable=True),
        sa.Column("done", Moment(), nullable=True),
        sa.Column("reviewer", sa.String(length=255), nullable=True),
        sa.Column("verdict", sa.String(length=16), nullable=True),
        sa.Column("said", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["ask"], ["asks.id"], name=op.f("fk_reviews_ask_asks")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("ask", name=op.f("uq_reviews_ask")),
    )
