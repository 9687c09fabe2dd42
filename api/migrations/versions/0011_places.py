"""Places searched and found, by vehicle class and by who was searched."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, empty: the next load counts what acts recorded before named."""
    op.add_column("passages", sa.Column("vehicle", sa.String, nullable=False, server_default=""))
    op.create_table(
        "searched_places",
        sa.Column("crossing_id", sa.String, nullable=False),
        sa.Column("searched", sa.Text, nullable=False),
        sa.Column("found", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("crossing_id", name="searched_places_pk"),
    )
    op.create_table(
        "place_counts",
        sa.Column("entity", INT64, autoincrement=False, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("entity", name="place_counts_pk"),
    )
