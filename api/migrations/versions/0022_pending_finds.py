"""Finds by plate on vehicles of another post, which wait for a confirmation."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: finds of before were linked when they were recorded."""
    op.create_table(
        "pending_finds",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("crossing_id", sa.String, nullable=False),
        sa.Column("known_at", INT64, nullable=False),
        sa.Column("confirmed_seq", INT64),
        sa.PrimaryKeyConstraint("seq", name="pending_finds_pk"),
    )
