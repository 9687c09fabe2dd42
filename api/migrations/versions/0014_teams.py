"""Teams of a shift, next to its minutes."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Add the column: rosters put before this upgrade name no team."""
    op.add_column("rosters", sa.Column("teams", sa.String, nullable=False, server_default="[]"))
