"""Declarations ahead of their vehicles, who used them, and what decided vehicles are found by."""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _columns(kind: Any, *names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, kind, nullable=False) for name in names]


def upgrade() -> None:
    """Create the tables, empty: decisions of before are not looked for by late declarations."""
    op.create_table(
        "advance_declarations",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        *_columns(sa.String(), "declaration_id"),
        *_columns(sa.SmallInteger(), "version"),
        *_columns(INT64, "known_at"),
        *_columns(sa.String(), "post", "lodged_by", "state"),
        *_columns(INT64, "due_at", "expires_at"),
        *_columns(sa.SmallInteger(), "vehicles"),
        *_columns(sa.Boolean(), "is_current"),
        sa.PrimaryKeyConstraint("seq", name="advance_declarations_pk"),
        sa.UniqueConstraint(
            "declaration_id", "version", name="advance_declarations_declaration_id_version_uq"
        ),
    )
    is_current = sa.text("is_current")
    op.create_index(
        "advance_declarations_due_ix",
        "advance_declarations",
        ["due_at", "seq"],
        sqlite_where=is_current,
        postgresql_where=is_current,
    )
    op.create_index("advance_declarations_known_ix", "advance_declarations", ["known_at"])
    op.create_table(
        "advance_keys",
        *_columns(INT64, "key", "seq"),
        *_columns(sa.SmallInteger(), "vehicle"),
        sa.PrimaryKeyConstraint("key", "seq", "vehicle", name="advance_keys_pk"),
    )
    op.create_table(
        "advance_uses",
        *_columns(sa.String(), "declaration_id"),
        *_columns(sa.SmallInteger(), "vehicle"),
        *_columns(INT64, "seq", "known_at"),
        *_columns(sa.SmallInteger(), "version"),
        *_columns(sa.String(), "decision_id", "crossing_id", "matched_by"),
        *_columns(INT64, "decision_seq"),
        sa.PrimaryKeyConstraint("declaration_id", "vehicle", name="advance_uses_pk"),
    )
    op.create_index("advance_uses_crossing_ix", "advance_uses", ["crossing_id"])
    op.create_table(
        "advance_alerts",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        *_columns(sa.String(), "decision_id"),
        *_columns(INT64, "known_at"),
        *_columns(sa.String(), "code", "declaration_id", "matched_by"),
        *_columns(sa.SmallInteger(), "version"),
        *_columns(INT64, "decision_seq"),
        sa.PrimaryKeyConstraint("seq", "decision_id", name="advance_alerts_pk"),
    )
    op.create_index("advance_alerts_decision_ix", "advance_alerts", ["decision_id"])
    op.create_table(
        "decided_keys",
        *_columns(INT64, "key", "seq"),
        sa.PrimaryKeyConstraint("key", "seq", name="decided_keys_pk"),
    )
