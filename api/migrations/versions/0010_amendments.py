"""Which decisions were made again after their declaration was changed."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    """Add the column; no decision made before amends another."""
    op.add_column("decisions", sa.Column("amends", sa.String))
