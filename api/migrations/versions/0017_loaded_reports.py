"""The names of the acts and seizures of the loaded history, so that none is taken twice."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"


def upgrade() -> None:
    """Create the table, empty: those loaded before this upgrade are in it after the next load."""
    op.create_table(
        "loaded_reports",
        sa.Column("name", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("name", name="loaded_reports_pk"),
    )
