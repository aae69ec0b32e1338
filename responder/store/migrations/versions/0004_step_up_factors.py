"""passkeys, their challenges, backup codes, and the number of an ask."""

import sqlalchemy as sa
from alembic import op

from responder.store.columns import Moment

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables here."""
    with op.batch_alter_table("asks", schema=None) as batch_op:
        batch_op.add_column(sa.Column("number", sa.Integer(), nullable=True))
    # Tries are counted of all kinds of code together from now on; these were of the last five minutes.
    with op.batch_alter_table("factors", schema=None) as batch_op:
        batch_op.drop_column("tries")
    op.create_table(
        "factor_tries",
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("tries", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("principal", name=op.f("pk_factor_tries")),
    )
    op.create_table(
        "backup_codes",
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("made", Moment(), nullable=False),
        sa.Column("used", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("principal", "slot", name=op.f("pk_backup_codes")),
    )
    op.create_table(
        "passkeys",
        sa.Column("id", sa.String(length=1364), nullable=False),
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("handle", sa.LargeBinary(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(), nullable=False),
        sa.Column("sign_count", sa.BigInteger(), nullable=False),
        sa.Column("made", Moment(), nullable=False),
        sa.Column("used", Moment(), nullable=True),
        sa.Column("stopped", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passkeys")),
        sa.UniqueConstraint("principal", "name", name=op.f("uq_passkeys_principal")),
    )
    op.create_table(
        "challenges",
        sa.Column("challenge", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("purpose", sa.String(length=700), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("used", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("challenge", name=op.f("pk_challenges")),
    )
    with op.batch_alter_table("challenges", schema=None) as batch_op:
        batch_op.create_index("ix_challenges_expires", ["expires"], unique=False)

    op.create_table(
        "enrolment_tickets",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("made_by", sa.String(length=255), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("used", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_enrolment_tickets")),
    )
    with op.batch_alter_table("enrolment_tickets", schema=None) as batch_op:
        batch_op.create_index("ix_enrolment_tickets_principal", ["principal"], unique=False)

    op.create_table(
        "number_tries",
        sa.Column("ask", sa.String(length=32), nullable=False),
        sa.Column("principal", sa.String(length=255), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["ask"], ["asks.id"], name=op.f("fk_number_tries_ask_asks")),
        sa.PrimaryKeyConstraint("ask", "principal", name=op.f("pk_number_tries")),
    )
