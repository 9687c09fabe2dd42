"""The key of the counters holds their states no more on PostgreSQL: the table has them.

Migration 0007 put them there. Since a load writes blocks of states, an entity has few rows, and the
second copy is an eighth of a loaded home (docs/decisions/0088-counters-once.md).
"""

from alembic import op

revision = "0047"
down_revision = "0046"


def upgrade() -> None:
    """Create the key again; it takes about a second a million rows of the counters."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE counters DROP CONSTRAINT counters_pk, "
            "ADD CONSTRAINT counters_pk PRIMARY KEY (grp, entity, known_at)"
        )
