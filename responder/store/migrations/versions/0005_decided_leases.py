"""leases that end or are extended by a decision."""

import sqlalchemy as sa
from alembic import op

from responder.store.columns import Moment

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here."""
    with op.batch_alter_table("asks", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column("kind", sa.String(length=16), nullable=False, server_default="step")
        )
        batch_op.add_column(sa.Column("subject", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("applied", Moment(), nullable=True))
        batch_op.create_index("ix_asks_kind", ["kind"], unique=False)
    with op.batch_alter_table("holds", schema=None) as batch_op:
        batch_op.add_column(sa.Column("verified", Moment(), nullable=True))
        batch_op.add_column(sa.Column("lifted", Moment(), nullable=True))
    op.create_table(
        "leased",
        sa.Column("ask", sa.String(length=32), nullable=False),
        sa.Column("hold", sa.String(length=400), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["ask"], ["asks.id"], name=op.f("fk_leased_ask_asks")),
        sa.ForeignKeyConstraint(["hold"], ["holds.id"], name=op.f("fk_leased_hold_holds")),
        sa.PrimaryKeyConstraint("ask", "hold", name=op.f("pk_leased")),
    )
    with op.batch_alter_table("leased", schema=None) as batch_op:
        batch_op.create_index("ix_leased_hold", ["hold"], unique=False)
