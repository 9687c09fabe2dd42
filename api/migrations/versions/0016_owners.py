"""Whose a key is, so that one person is not taken for two."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Add the column: keys made before this upgrade have no owner."""
    op.add_column("access_keys", sa.Column("owner", sa.String))
