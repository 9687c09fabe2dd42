"""Alerts of late records from the paired post, and the plate by which they find a decision."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    """Create the table, empty; a late record finds no decision made before this upgrade."""
    op.create_table(
        "mirror_alerts",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("decision_id", sa.String, nullable=False),
        sa.Column("post", sa.String, nullable=False),
        sa.Column("known_at", INT64, nullable=False),
        sa.Column("code", sa.String, nullable=False),
        sa.Column("decided", sa.String, nullable=False),
        sa.Column("told", sa.String, nullable=False),
        sa.Column("mass_ratio", sa.Float(53)),
        sa.PrimaryKeyConstraint("seq", "decision_id", "code", name="mirror_alerts_pk"),
    )
    op.create_index("mirror_alerts_decision_ix", "mirror_alerts", ["decision_id"])
    op.add_column("decisions", sa.Column("plate", sa.String, nullable=False, server_default=""))
    op.create_index("decisions_plate_ix", "decisions", ["post", "plate", "known_at"])
