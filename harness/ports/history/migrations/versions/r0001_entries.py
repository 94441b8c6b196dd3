"""Revision 0001: one row a result."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Creates the table and its index."""
    op.create_table(
        "harness_history",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("port", sa.Text(), nullable=False),
        sa.Column("moment", sa.Text(), nullable=False),
        sa.Column("commit", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("effect", sa.Double()),
        sa.Column("result", sa.Text(), nullable=False),
    )
    op.create_index("harness_history_port_moment", "harness_history", ["port", "moment"])


def downgrade() -> None:
    """Drops the table."""
    op.drop_table("harness_history")
