"""who stands in for whom on call, and the targets an incident was opened with."""

import sqlalchemy as sa
from alembic import op

from responder.store.columns import Moment

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here."""
    op.create_table(
        "overrides",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("roster", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=255), nullable=False),
        sa.Column("start", Moment(), nullable=False),
        sa.Column("end", Moment(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("made", Moment(), nullable=False),
        sa.Column("made_by", sa.String(length=255), nullable=False),
        sa.Column("withdrawn", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_overrides")),
    )
    with op.batch_alter_table("overrides", schema=None) as batch_op:
        batch_op.create_index("ix_overrides_end", ["end"], unique=False)
