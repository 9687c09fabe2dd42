"""The log of counter rows that are not merged into their table yet, and how far it is merged."""

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, empty: everything counted so far is in the table of counters."""
    op.create_table(
        "counter_log",
        sa.Column("known_at", INT64, autoincrement=False, nullable=False),
        sa.Column("rows", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("known_at", name="counter_log_pk"),
    )
    op.create_table(
        "counter_merge",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        *(
            sa.Column(name, INT64, nullable=False)
            for name in ("generation", "merged", "frozen", "grp", "entity", "reached")
        ),
        sa.PrimaryKeyConstraint("one", name="counter_merge_pk"),
    )
