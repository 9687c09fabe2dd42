"""Movements that both sides of a link know."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _columns(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Create the tables, empty: no message of before is of a movement that a record made due."""
    op.create_table(
        "link_movements",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        *_columns(sa.String(), "link", "direction", "kind", "movement", "crossing_id", "post"),
        *_columns(INT64, "about_seq", "passed_at", "known_at"),
        sa.PrimaryKeyConstraint("seq", name="link_movements_pk"),
    )
    op.create_index("link_movements_movement_ix", "link_movements", ["movement"])
    op.create_index("link_movements_crossing_ix", "link_movements", ["crossing_id"])
    about = ["link", "direction", "about_seq"]
    op.create_index("link_movements_about_ix", "link_movements", about)
    op.create_table(
        "link_movement_keys",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        *_columns(sa.String(), "kind", "post", "value"),
        *_columns(INT64, "passed_at"),
        sa.PrimaryKeyConstraint("seq", "kind", name="link_movement_keys_pk"),
    )
    found = ["post", "kind", "value", "passed_at"]
    op.create_index("link_movement_keys_ix", "link_movement_keys", found)
