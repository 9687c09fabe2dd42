"""Attempts to sign in are counted in memory: the table that no one emptied goes."""

from alembic import op

revision = "0021"
down_revision = "0020"


def upgrade() -> None:
    """Drop the table."""
    op.drop_table("sign_in_attempts")
