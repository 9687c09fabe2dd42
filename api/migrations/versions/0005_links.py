"""Which entities are linked since when: on which ways a hit is passed on."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty: opening an epoch fills it."""
    op.create_table(
        "links",
        sa.Column("way", sa.Integer, autoincrement=False, nullable=False),
        sa.Column("via", INT64, autoincrement=False, nullable=False),
        sa.Column("known_at", INT64, autoincrement=False, nullable=False),
        sa.Column("other", INT64, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("way", "via", "known_at", "other", name="links_pk"),
        sqlite_with_rowid=False,
    )
