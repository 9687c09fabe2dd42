"""Cases: where each stands, and which records are its events."""

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the tables, empty: no earlier record is about a case."""
    texts = ("post", "agency", "custody", "owner", "state", "handling")
    op.create_table(
        "cases",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("case_id", sa.String, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in texts),
        *(sa.Column(name, INT64, nullable=False) for name in ("opened_at", "changed_at")),
        sa.Column("deadline", INT64, nullable=True),
        sa.PrimaryKeyConstraint("seq", name="cases_pk"),
        sa.UniqueConstraint("case_id", name="cases_case_id_uq"),
    )
    op.create_index("cases_state_ix", "cases", ["state", "opened_at"])
    op.create_table(
        "case_events",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        *(sa.Column(name, sa.String, nullable=False) for name in ("case_id", "kind", "target")),
        sa.PrimaryKeyConstraint("seq", name="case_events_pk"),
    )
    op.create_index("case_events_case_ix", "case_events", ["case_id"])
