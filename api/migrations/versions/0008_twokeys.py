"""Profiles and the watch list: who proposed and agreed, what is listed, what became of matches."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, empty: the journal holds no record of either yet."""
    op.create_table(
        "two_key_records",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("matter", sa.String, nullable=False),
        sa.Column("step", sa.String, nullable=False),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("person", sa.String, nullable=False),
        sa.Column("known_at", INT64, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="two_key_records_pk"),
    )
    op.create_index("two_key_records_subject_ix", "two_key_records", ["matter", "subject"])
    op.create_index("two_key_records_matter_ix", "two_key_records", ["matter", "seq"])
    op.create_table(
        "watch_keys",
        sa.Column("entry_id", sa.String, nullable=False),
        sa.Column("key", INT64, autoincrement=False, nullable=False),
        sa.Column("seq", INT64, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("expires_at", INT64, nullable=False),
        sa.PrimaryKeyConstraint("entry_id", "key", name="watch_keys_pk"),
    )
    op.create_index("watch_keys_key_ix", "watch_keys", ["key"])
    op.create_table(
        "profile_matches",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("crossing_id", sa.String, nullable=False),
        sa.Column("selected", sa.Boolean, nullable=False),
        sa.Column("inspected", sa.Boolean, nullable=False),
        sa.Column("hit", sa.Boolean, nullable=False),
        sa.Column("minutes", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("seq", "code", name="profile_matches_pk"),
    )
    op.create_index("profile_matches_code_ix", "profile_matches", ["code"])
    op.create_index("profile_matches_crossing_ix", "profile_matches", ["crossing_id"])
    op.create_table(
        "profile_counts",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("arrivals", INT64, nullable=False),
        sa.Column("matches", INT64, nullable=False),
        sa.PrimaryKeyConstraint("seq", "code", name="profile_counts_pk"),
    )
