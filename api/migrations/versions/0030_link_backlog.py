"""Index of the envelopes that wait for a receipt."""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"


def upgrade() -> None:
    """Create it, partial: what is settled costs nothing."""
    condition = sa.text("status = 'waiting'")
    op.create_index(
        "link_envelopes_waiting_ix",
        "link_envelopes",
        ["link", "number"],
        sqlite_where=condition,
        postgresql_where=condition,
    )
