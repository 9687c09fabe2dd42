"""What acts answered of a decision, and the class of its vehicle; scored picks by class.

Before this, any act answered any channel: what was inspected stays so.
"""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    """Add the columns, and the index that a queue place is drawn from."""
    answered = sa.Column("answered", sa.SmallInteger, nullable=False, server_default="0")
    kind = sa.Column("vehicle_class", sa.String, nullable=False, server_default="")
    op.add_column("decisions", answered)
    op.add_column("decisions", kind)
    op.execute("UPDATE decisions SET answered = 3 WHERE act_seq IS NOT NULL")
    scored = sa.text("basis = 'score'")
    op.create_index(
        "decisions_scored_ix",
        "decisions",
        ["post", "channel", "vehicle_class", "model_version", "known_at"],
        sqlite_where=scored,
        postgresql_where=scored,
    )
