"""what a provider knows of a resource beside its state."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here."""
    with op.batch_alter_table("resources", schema=None) as batch_op:
        batch_op.add_column(sa.Column("base_record", sa.JSON(), nullable=True))
        batch_op.add_column(sa.Column("record", sa.JSON(), nullable=True))
