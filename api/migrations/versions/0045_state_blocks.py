"""Rows of counters may hold several states: a mark for programs that would take them for one.

Rows of before stay as they are and are read as they were (docs/decisions/0082-state-blocks.md).
"""

revision = "0045"
down_revision = "0044"


def upgrade() -> None:
    """Change nothing: an earlier program does not open a home of this version."""
