"""Copies of another installation's records, by their number there."""

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: no link copied records before."""
    op.create_table(
        "copied_records",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        *(sa.Column(name, INT64, nullable=False) for name in ("number", "recorded_at", "known_at")),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="copied_records_pk"),
    )
    op.create_index("copied_records_number_ix", "copied_records", ["origin", "number"], unique=True)
