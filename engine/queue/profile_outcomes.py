"""What became of what each profile matched: selected, inspected, found.

A projection of decisions and inspection acts. Only acts that could have found something count as
inspections, as for every hit rate: papers and scales alone are no evidence that a vehicle carried
nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    String,
    bindparam,
    func,
    select,
    update,
)

from engine.domain.records import Inspection
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.kinds import DECISION, INSPECTION, PROFILE_COUNTED
from engine.journal.payloads import InspectionBody
from engine.storage.database import Int64, declare_columns, execute_rows, insert_rows, record_table

MATCHES = record_table(
    "profile_matches",
    Column("code", String, primary_key=True),
    *declare_columns(String, "crossing_id"),
    *declare_columns(Boolean, "selected", "inspected", "hit"),
    *declare_columns(Float(53), "minutes"),
    Index("profile_matches_code_ix", "code"),
    Index("profile_matches_crossing_ix", "crossing_id"),
)
COUNTS = record_table(
    "profile_counts",
    Column("code", String, primary_key=True),
    *declare_columns(Int64, "arrivals", "matches"),
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
        matched = [
            (entry.seq, code, body["crossing_id"], code in selected, False, False, 0.0)
            for entry, body in list_bodies(entries, DECISION)
            for selected in [body["decision"]["profiles"]]
            for match in body["inputs"].get("matches", ())
            if match["source"] == "profile"
            for code in [match["code"]]
        ]
        insert_rows(connection, MATCHES, matched)
        acts = [_act(body) for _, body in list_bodies(entries, INSPECTION)]
        execute_rows(connection, _ACT, acts)
        counted = [
            (entry.seq, code, number["arrivals"], number["matches"])
            for entry, body in list_bodies(entries, PROFILE_COUNTED)
            for code, number in body["counts"].items()
        ]
        insert_rows(connection, COUNTS, counted)


def _act(body: InspectionBody) -> dict[str, object]:
    act = Inspection.model_validate(body["inspection"], strict=False)
    return {
        "which": act.crossing_id,
        "is_evidence": act.is_evidence,
        "is_hit": act.outcome != "clear",
        "more": act.minutes or 0.0,
    }


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
