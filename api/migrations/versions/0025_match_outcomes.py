"""Inspection acts for sums by agency, and what entries of the watch list matched.

Both follow from the journal: those of before are read from its bodies.
"""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"

INT64 = sa.BigInteger().with_variant(sa.Integer, "sqlite")
AT_ONCE = 500
NEXT = sa.text(
    "SELECT j.seq, b.body FROM journal j JOIN journal_bodies b ON b.seq = j.seq "
    "WHERE j.kind = :kind AND j.seq > :after ORDER BY j.seq LIMIT :most"
).columns(seq=INT64, body=sa.LargeBinary)
SOURCE = b'"watchlist"'
"""In the body of every decision that an entry matched."""


def upgrade() -> None:
    """Create the table and fill both."""
    acts = op.create_table(
        "acts",
        sa.Column("seq", INT64, autoincrement=False, nullable=False),
        sa.Column("crossing_id", sa.String, nullable=False),
        sa.Column("agency", sa.String),
        sa.Column("is_evidence", sa.Boolean, nullable=False),
        sa.Column("is_hit", sa.Boolean, nullable=False),
        sa.Column("minutes", sa.Float(53)),
        sa.PrimaryKeyConstraint("seq", name="acts_pk"),
    )
    op.create_index("acts_crossing_ix", "acts", ["crossing_id"])
    store = op.get_bind()
    for found in _bodies(store, "inspection", b""):
        _insert(acts, [_act(seq, body["inspection"]) for seq, body in found])
    names = ("code", "crossing_id", "seq", "selected", "inspected", "hit", "minutes")
    matches = sa.table("profile_matches", *map(sa.column, names))
    for found in _bodies(store, "decision", SOURCE):
        _insert(matches, [row for seq, body in found for row in _matches(seq, body)])
    store.execute(_FINDINGS)


def _insert(table: sa.TableClause, rows: list[dict[str, Any]]) -> None:
    if rows:
        op.bulk_insert(table, rows)


def _bodies(
    store: sa.Connection, kind: str, part: bytes
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """Yield the bodies of a kind that hold some bytes; an erased one says nothing."""
    after = 0
    while found := store.execute(NEXT, {"kind": kind, "after": after, "most": AT_ONCE}).all():
        held = [(seq, bytes(body)) for seq, body in found if body is not None]
        yield [(seq, json.loads(body)) for seq, body in held if part in body]
        after = found[-1][0]


def _act(seq: int, act: dict[str, Any]) -> dict[str, Any]:
    methods, is_hit = set(act.get("methods") or ()), act["outcome"] != "clear"
    is_full = not methods or bool(methods - {"documents", "weighing"})
    return {
        "seq": seq,
        "crossing_id": act["crossing_id"],
        "agency": act.get("agency"),
        "is_evidence": is_hit or is_full,
        "is_hit": is_hit,
        "minutes": act.get("minutes"),
    }


def _matches(seq: int, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    listed = (m for m in body["inputs"].get("matches") or () if m["source"] == "watchlist")
    for code in dict.fromkeys(match["code"] for match in listed):
        yield {
            "seq": seq,
            "code": code,
            "crossing_id": body["crossing_id"],
            "selected": True,
            "inspected": False,
            "hit": False,
            "minutes": 0.0,
        }


_FINDINGS = sa.text("""
UPDATE profile_matches SET
    inspected = EXISTS (SELECT 1 FROM acts a WHERE a.crossing_id = profile_matches.crossing_id
        AND a.seq > profile_matches.seq AND a.is_evidence),
    hit = EXISTS (SELECT 1 FROM acts a WHERE a.crossing_id = profile_matches.crossing_id
        AND a.seq > profile_matches.seq AND a.is_hit),
    minutes = COALESCE((SELECT SUM(a.minutes) FROM acts a
        WHERE a.crossing_id = profile_matches.crossing_id AND a.seq > profile_matches.seq), 0)
WHERE code LIKE 'watch-%'
""")
"""What acts found of the vehicles that entries matched; profiles have it already."""
