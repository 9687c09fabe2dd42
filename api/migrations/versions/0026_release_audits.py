"""Index of blue vehicles that are still to be audited."""

import sqlalchemy as sa
from alembic import op

revision = "0026"
down_revision = "0025"


def upgrade() -> None:
    """Create it, partial: other decisions cost nothing more than before."""
    condition = sa.text("channel = 1 AND act_seq IS NULL")
    op.create_index(
        "decisions_audits_ix",
        "decisions",
        ["post", "known_at"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
