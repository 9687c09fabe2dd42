"""What became of what each profile matched: selected, inspected, found.

A projection of decisions and inspection acts. Only acts that could have found something count as
inspections, as for every hit rate: papers and scales alone are no evidence that a vehicle carried
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from engine.domain.records import Inspection
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import DECISION, INSPECTION, PROFILE_COUNTED
from engine.storage.database import METADATA, Int64

MATCHES = Table(
    "profile_matches",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("code", String, primary_key=True),
    Column("crossing_id", String, nullable=False),
    Column("selected", Boolean, nullable=False),
    Column("inspected", Boolean, nullable=False),
    Column("hit", Boolean, nullable=False),
    Column("minutes", Float(53), nullable=False),
    Index("profile_matches_code_ix", "code"),
    Index("profile_matches_crossing_ix", "crossing_id"),
)
COUNTS = Table(
    "profile_counts",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("code", String, primary_key=True),
    Column("arrivals", Int64, nullable=False),
    Column("matches", Int64, nullable=False),
)
"""What shadows would have matched, a row for each time it was recorded."""
_M, _C = MATCHES.c, COUNTS.c


@dataclass(frozen=True, slots=True)
class Audit:
    """What became of one profile's matches."""

    matches: int
    selected: int
    """Sent where the profile sends them by the profile's own draw."""
    inspected: int
    """Of the matches, whatever selected them, by an act that could have found something."""
    hits: int
    selected_inspected: int
    selected_hits: int
    minutes: float
    """Spent on the inspected ones."""
    shadow_arrivals: int
    shadow_matches: int


class HitProjection:
    """Keeps what became of what profiles matched."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write the matches of decisions, then what acts found, then the counts of shadows."""
        rows = {
            DECISION: [
                row for e, d in entries if e.kind == DECISION for row in _matched_rows(e, d)
            ],
            INSPECTION: [_act(d) for e, d in entries if e.kind == INSPECTION],
            PROFILE_COUNTED: [
                row for e, d in entries if e.kind == PROFILE_COUNTED for row in _counted_rows(e, d)
            ],
        }
        for kind, write in (
            (DECISION, insert(MATCHES)),
            (INSPECTION, _ACT),
            (PROFILE_COUNTED, _COUNTS),
        ):
            if rows[kind]:
                connection.execute(write, rows[kind])


def _matched_rows(entry: Entry, draft: Draft) -> list[dict[str, Any]]:
    body = draft.body
    selected = body["decision"]["profiles"]
    return [
        {
            "seq": entry.seq,
            "code": match["code"],
            "crossing_id": body["crossing_id"],
            "selected": match["code"] in selected,
            "inspected": False,
            "hit": False,
            "minutes": 0.0,
        }
        for match in body["inputs"].get("matches", ())
        if match["source"] == "profile"
    ]


def _act(draft: Draft) -> dict[str, Any]:
    act = Inspection.model_validate(draft.body["inspection"], strict=False)
    hit = act.outcome != "clear"
    return {
        "which": act.crossing_id,
        "is_evidence": hit or act.is_full,
        "is_hit": hit,
        "more": act.minutes or 0.0,
    }


def _counted_rows(entry: Entry, draft: Draft) -> list[dict[str, Any]]:
    return [{"seq": entry.seq, "code": c, **n} for c, n in draft.body["counts"].items()]


_COUNTS = insert(COUNTS)
_ACT = (
    update(MATCHES)
    .where(_M.crossing_id == bindparam("which"))
    .values(
        inspected=_M.inspected | bindparam("is_evidence", type_=Boolean),
        hit=_M.hit | bindparam("is_hit", type_=Boolean),
        minutes=_M.minutes + bindparam("more"),
    )
)


def audit(connection: Connection, code: str) -> Audit:
    """Return what became of one profile's matches."""
    both = _M.selected & _M.inspected
    counted = [
        func.count(),
        *(
            func.count().filter(what)
            for what in (_M.selected, _M.inspected, _M.hit, both, _M.selected & _M.hit)
        ),
        func.coalesce(func.sum(_M.minutes), 0.0),
    ]
    row = connection.execute(select(*counted).where(_M.code == code)).one()
    shadow = connection.execute(
        select(
            func.coalesce(func.sum(_C.arrivals), 0), func.coalesce(func.sum(_C.matches), 0)
        ).where(_C.code == code)
    ).one()
    matches, selected, inspected, hits, selected_inspected, selected_hits = map(int, row[:6])
    return Audit(
        matches=matches,
        selected=selected,
        inspected=inspected,
        hits=hits,
        selected_inspected=selected_inspected,
        selected_hits=selected_hits,
        minutes=float(row[6]),
        shadow_arrivals=int(shadow[0]),
        shadow_matches=int(shadow[1]),
    )
