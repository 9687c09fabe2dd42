"""The log of identifiers that are not merged into their index yet, and how far it is merged."""

import sqlalchemy as sa
from alembic import op

revision = "0044"
down_revision = "0043"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, empty: every identifier recorded so far is in the index."""
    op.create_table(
        "identifier_log",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("texts", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="identifier_log_pk"),
    )
    op.create_table(
        "identifier_merge",
        sa.Column("one", sa.SmallInteger(), autoincrement=False, nullable=False),
        *(sa.Column(name, INT64, nullable=False) for name in ("run", "frozen", "reached")),
        sa.PrimaryKeyConstraint("one", name="identifier_merge_pk"),
    )
