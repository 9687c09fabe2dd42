"""Corrections of acts and seizures: which record corrects which."""

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: no earlier record is a correction."""
    op.create_table(
        "corrections",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("of", INT64, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="corrections_pk"),
    )
    op.create_index("corrections_of_ix", "corrections", ["of"])
