"""Indexes and tables that cost less to write: a short condition, and on SQLite each key once.

The indexes of power leave out the kinds that are frequent instead of naming those that are not. On
SQLite two tables that are nothing but a key lose their second copy of it
(docs/decisions/0085-cost-of-writing.md).
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0046"
down_revision = "0045"

FREQUENT = (
    "crossing", "decision", "declaration_lodged", "inspection", "link_received", "link_receipted",
    "link_sent", "post_record", "profile_failed", "queue_expired", "release", "sensitive_read",
    "tick", "vehicle_taken",
)  # fmt: skip
KEYS: Mapping[str, Mapping[str, Any]] = {
    "decision_identifiers": {"text": sa.LargeBinary, "kind": sa.SmallInteger, "seq": sa.Integer},
    "decided_keys": {"key": sa.Integer, "seq": sa.Integer},
}


def upgrade() -> None:
    """Build the indexes again from the journal; copy the rows of the tables in order of the key."""
    condition = sa.text(" AND ".join(f"kind <> '{kind}'" for kind in FREQUENT))
    for name, columns in (
        ("journal_power_ix", ["kind", "seq"]),
        ("journal_power_subject_ix", ["subject", "seq"]),
    ):
        op.drop_index(name, "journal")
        op.create_index(
            name, "journal", columns, sqlite_where=condition, postgresql_where=condition
        )
    if op.get_bind().dialect.name == "sqlite":
        for table, key in KEYS.items():
            parts = [sa.Column(name, kind, nullable=False) for name, kind in key.items()]
            names, before = ", ".join(f'"{name}"' for name in key), f"{table}_before"
            op.rename_table(table, before)
            op.create_table(
                table,
                *parts,
                sa.PrimaryKeyConstraint(*key, name=f"{table}_pk"),
                sqlite_with_rowid=False,
            )
            op.execute(f"INSERT INTO {table} SELECT {names} FROM {before} ORDER BY {names}")  # noqa: S608
            op.drop_table(before)
