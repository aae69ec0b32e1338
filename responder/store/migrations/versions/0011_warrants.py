"""What a worker seals when it begins a step, and what it read before it changed anything."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """
    Bring the tables here.

    What is held at that moment has no seal, and workers cannot tell it from a forgery: they leave it
    as it is and raise the alarm. So end what is held before (docs/how-to/recover.md).
    """
    with op.batch_alter_table("steps", schema=None) as batch_op:
        batch_op.add_column(sa.Column("warrant", sa.LargeBinary(), nullable=True))
    with op.batch_alter_table("resources", schema=None) as batch_op:
        batch_op.add_column(sa.Column("base_seal", sa.LargeBinary(), nullable=True))
