"""Sessions of people, and attempts to sign in."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create both tables, empty: no user is signed in."""
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("signed_in_at", INT64, nullable=False),
        sa.Column("until", INT64, nullable=False),
        sa.Column("ended_at", INT64),
        sa.PrimaryKeyConstraint("digest", name="sessions_pk"),
    )
    op.create_table(
        "sign_in_attempts",
        sa.Column("who", sa.LargeBinary, nullable=False),
        sa.Column("wrong", sa.Integer, nullable=False),
        sa.Column("last_at", INT64, nullable=False),
        sa.Column("until", INT64, nullable=False),
        sa.PrimaryKeyConstraint("who", name="sign_in_attempts_pk"),
    )
