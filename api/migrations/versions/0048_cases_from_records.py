"""Handling codes of cases and receivers of custody are read from records: their columns go."""

from alembic import op

revision = "0048"
down_revision = "0047"


def upgrade() -> None:
    """Drop the columns, which no release of this version reads."""
    op.drop_column("cases", "handling")
    op.drop_column("case_events", "target")
