"""Vehicles that officers have taken, and who."""

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: no earlier record is a taking."""
    op.create_table(
        "takings",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("crossing_id", sa.String(), nullable=False),
        sa.Column("post", sa.String(), nullable=False),
        sa.Column("person", sa.String()),
        sa.Column("team", sa.String()),
        *(sa.Column(name, INT64, nullable=False) for name in ("taken_at", "until")),
        sa.PrimaryKeyConstraint("seq", name="takings_pk"),
    )
    op.create_index("takings_crossing_ix", "takings", ["crossing_id"])
    op.create_index("takings_post_ix", "takings", ["post", "until"])
