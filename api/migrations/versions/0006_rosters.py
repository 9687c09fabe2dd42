"""Rosters, what acts teach about minutes, and the minutes that each decision takes."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create both tables, empty; decisions made before took no minutes that anybody knew."""
    op.create_table(
        "rosters",
        sa.Column("post", sa.String, nullable=False),
        sa.Column("method", sa.String, nullable=False),
        sa.Column("minutes", sa.Float(53), nullable=False),
        sa.Column("seq", INT64, nullable=False),
        sa.PrimaryKeyConstraint("post", "method", name="rosters_pk"),
    )
    op.create_table(
        "act_minutes",
        sa.Column("vehicle_class", sa.String, nullable=False),
        sa.Column("is_physical", sa.Boolean, nullable=False),
        sa.Column("acts", INT64, nullable=False),
        sa.Column("minutes", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("vehicle_class", "is_physical", name="act_minutes_pk"),
    )
    op.add_column("decisions", sa.Column("basis", sa.String))
    op.add_column(
        "decisions", sa.Column("minutes", sa.Float(53), nullable=False, server_default="0")
    )
    op.drop_index("decisions_recent_ix", "decisions")
    op.create_index(
        "decisions_recent_ix", "decisions", ["post", "known_at", "channel", "basis", "minutes"]
    )
    op.create_index("passages_post_ix", "passages", ["post", "arrived_at"])
