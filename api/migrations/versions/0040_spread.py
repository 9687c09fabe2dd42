"""What snapshots of finds spread along links are made of, and up to where they are made."""

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, empty: a load fills them, before which no feature reads them."""
    op.create_table(
        "spread_crossings",
        sa.Column("known_at", INT64, autoincrement=False, nullable=False),
        sa.Column("crossing_id", sa.String(), nullable=False),
        sa.Column("entities", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("known_at", "crossing_id", name="spread_crossings_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "spread_finds",
        sa.Column("known_at", INT64, autoincrement=False, nullable=False),
        sa.Column("crossing_id", sa.String(), nullable=False),
        sa.Column("step", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("is_elsewhere", sa.Boolean(), nullable=False),
        *(sa.Column(kind, sa.SmallInteger(), nullable=False) for kind in ("found", "seized")),
        sa.Column("entities", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("known_at", "crossing_id", "step", name="spread_finds_pk"),
    )
    op.create_table(
        "spread_head",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("cut", INT64, nullable=False),
        sa.PrimaryKeyConstraint("one", name="spread_head_pk"),
    )
