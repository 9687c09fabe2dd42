"""The counters that features are read from, and the passages that later acts refer to."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create both, empty; a load fills them."""
    op.create_table(
        "counters",
        sa.Column("grp", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("entity", INT64, autoincrement=False, nullable=False),
        sa.Column("known_at", INT64, autoincrement=False, nullable=False),
        sa.Column("state", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("grp", "entity", "known_at", name="counters_pk"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "passages",
        sa.Column("crossing_id", sa.String, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("plate_key", INT64, nullable=False),
        sa.Column("is_entry", sa.Boolean, nullable=False),
        sa.Column("arrived_at", INT64, nullable=False),
        sa.Column("known_at", INT64, nullable=False),
        sa.Column("entity_keys", sa.LargeBinary, nullable=False),
        sa.Column("inspected", sa.SmallInteger, server_default="0", nullable=False),
        sa.Column("hit", sa.SmallInteger, server_default="0", nullable=False),
        sa.Column("seizure", sa.SmallInteger, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("crossing_id", name="passages_pk"),
    )
    op.create_index("passages_plate_ix", "passages", ["plate_key", "arrived_at"])
    op.create_table(
        "counter_epoch",
        sa.Column("one", sa.SmallInteger, autoincrement=False, nullable=False),
        sa.Column("epoch", sa.String, nullable=False),
        sa.Column("definitions", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("one", name="counter_epoch_pk"),
    )
