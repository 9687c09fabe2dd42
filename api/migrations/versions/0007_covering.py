"""The key of the counters holds their states on PostgreSQL too, as it always did on SQLite.

A seek then ends in the index. Of a busy entity PostgreSQL looks at every entry on the page it comes
to, and with states among them there are a third as many.
"""

from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Create the key again; it takes about a second a million rows of the counters."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "ALTER TABLE counters DROP CONSTRAINT counters_pk, "
            "ADD CONSTRAINT counters_pk PRIMARY KEY (grp, entity, known_at) INCLUDE (state)"
        )
