"""Equipment that works in a shift, next to its minutes."""

import sqlalchemy as sa
from alembic import op

revision = "0024"
down_revision = "0023"


def upgrade() -> None:
    """Add the column: rosters put before this upgrade say nothing of equipment."""
    column = sa.Column("equipment", sa.String, nullable=False, server_default="{}")
    op.add_column("rosters", column)
