"""What the service derives from the journal: answers, decisions, shifts, who may call."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, empty."""
    _answers_and_decisions()
    _shifts()
    _accounts()


def _answers_and_decisions() -> None:
    op.create_table(
        "answers",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("fingerprint", sa.LargeBinary, nullable=False),
        sa.Column("seq", INT64, nullable=False),
        sa.PrimaryKeyConstraint("name", name="answers_pk"),
    )
    decisions = op.create_table(
        "decisions",
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("seq", INT64, nullable=False),
        sa.Column("crossing_id", sa.String, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("known_at", INT64, nullable=False),
        sa.Column("channel", sa.SmallInteger, nullable=False),
        sa.Column("place", INT64, nullable=False),
        sa.Column("risk", sa.Float(53)),
        sa.Column("model_version", sa.String),
        sa.Column("waiting", sa.Boolean, nullable=False),
        sa.Column("act_seq", INT64),
        sa.PrimaryKeyConstraint("decision_id", name="decisions_pk"),
        sa.UniqueConstraint("seq", name="decisions_seq_uq"),
    )
    waits = decisions.c.waiting
    op.create_index("decisions_crossing_id_ix", "decisions", ["crossing_id"])
    op.create_index("decisions_recent_ix", "decisions", ["post", "known_at"])
    op.create_index(
        "decisions_waiting_ix",
        "decisions",
        ["post", "place", "known_at"],
        sqlite_where=waits,
        postgresql_where=waits,
    )


def _shifts() -> None:
    op.create_table(
        "shifts",
        sa.Column("shift_id", sa.String, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("closes_at", INT64, nullable=False),
        sa.Column("seed", sa.LargeBinary, nullable=False),
        sa.Column("opened_seq", INT64, nullable=False),
        sa.Column("closed_seq", INT64),
        sa.PrimaryKeyConstraint("shift_id", name="shifts_pk"),
    )
    op.create_index("shifts_post_ix", "shifts", ["post", "closes_at"])
    op.create_table(
        "percentile_tables",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("shift_id", sa.String, nullable=False),
        sa.Column("model_version", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="percentile_tables_pk"),
        sa.UniqueConstraint(
            "shift_id", "model_version", name="percentile_tables_shift_id_model_version_uq"
        ),
    )


def _accounts() -> None:
    op.create_table(
        "access_keys",
        sa.Column("key_id", sa.String, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("post", sa.String),
        sa.Column("created_at", INT64, nullable=False),
        sa.Column("revoked_at", INT64),
        sa.PrimaryKeyConstraint("key_id", name="access_keys_pk"),
        sa.UniqueConstraint("digest", name="access_keys_digest_uq"),
    )
    op.create_table(
        "users",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("password", sa.String, nullable=False),
        sa.Column("role", sa.String, nullable=False),
        sa.Column("post", sa.String),
        sa.Column("created_at", INT64, nullable=False),
        sa.PrimaryKeyConstraint("name", name="users_pk"),
    )
