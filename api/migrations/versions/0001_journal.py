"""The journal, and which journal this is."""

import secrets
import time

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the journal and give it its identity."""
    op.create_table(
        "journal",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("known_at", INT64, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("origin", sa.String, nullable=False),
        sa.Column("origin_seq", INT64),
        sa.Column("leaf", sa.LargeBinary, nullable=False),
        sa.Column("chain", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="journal_pk"),
        sa.UniqueConstraint("known_at", name="journal_known_at_uq"),
    )
    op.create_table(
        "journal_bodies",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("salt", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="journal_bodies_pk"),
    )
    identity = op.create_table(
        "journal_identity",
        sa.Column("journal_id", sa.String, nullable=False),
        sa.Column("created", INT64, nullable=False),
        sa.PrimaryKeyConstraint("journal_id", name="journal_identity_pk"),
    )
    op.bulk_insert(
        identity, [{"journal_id": secrets.token_hex(16), "created": time.time_ns() // 1000}]
    )
