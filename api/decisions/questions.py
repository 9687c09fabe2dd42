"""Documents asked for on a vehicle, as a reader sees them.

Questions of an agency whose acts a reader does not see are left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.answers import Answer, Time
from engine.domain.identifiers import fold
from engine.domain.rights import Matter
from engine.domain.time_units import rfc3339
from engine.journal.journal import JournalReader
from engine.queue.documents_asked import OpenQuestion, list_questions
from engine.queue.queue import last_of_crossing, read_plates


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestionView(Answer):
    """Documents that were asked for, and that no act has answered yet."""

    sequence: int
    """The record of the question, by which it is answered."""
    inspection_id: str
    crossing_id: str
    decision_id: str | None
    """The last decision on the vehicle."""
    plate: str | None
    """As it was read at that decision."""
    post: str
    asked_by: str
    agency: str | None
    reason: str | None
    documents: list[str]
    """What for."""
    due_at: Time
    is_overdue: bool
    """Its time has passed and nothing came."""
    came: list[str] | None
    """What came; None while nothing did."""
    missing: list[str]
    """What was asked for and is not among what came; empty while nothing did."""
    note: str | None


def read_waiting_questions(
    snapshot: Connection, caller: Caller, post: str, *, now: int
) -> dict[str, OpenQuestionView]:
    """Return what was asked for on the vehicles that wait at a post, by crossing.

    Of several questions on a vehicle the one that is due first; ``now`` is in UTC microseconds.
    """
    found = list_questions(snapshot, post, is_waiting=True, most=None)
    seen = describe_questions(snapshot, caller, found, now=now)
    return {one.crossing_id: one for one in reversed(seen)}


def describe_questions(
    snapshot: Connection, caller: Caller, found: Sequence[OpenQuestion], *, now: int
) -> list[OpenQuestionView]:
    """Return the questions that a caller sees."""
    records = [seq for one in found for seq in (one.seq, one.came_seq) if seq is not None]
    bodies = JournalReader(snapshot).bodies(records)
    decisions = {one.crossing_id: last_of_crossing(snapshot, one.crossing_id) for one in found}
    decided = {name: one.decision_id for name, one in decisions.items() if one is not None}
    plates = read_plates(snapshot, list(decided.values()))
    views = [
        _describe(one, bodies, decided.get(one.crossing_id), plates, now=now)
        for one in found
        if one.seq in bodies
    ]
    return [one for one in views if caller.sees(Matter.ACTS, one.agency)]


def _describe(
    one: OpenQuestion,
    bodies: Any,
    decision_id: str | None,
    plates: Mapping[str, str],
    *,
    now: int,
) -> OpenQuestionView:
    asked = bodies[one.seq]["inspection"]
    came = None if one.came_seq is None else bodies.get(one.came_seq)
    names = {fold(name) for name in ([] if came is None else came["documents"])}
    return OpenQuestionView(
        sequence=one.seq,
        inspection_id=asked["inspection_id"],
        crossing_id=one.crossing_id,
        decision_id=decision_id,
        plate=plates.get(decision_id or ""),
        post=one.post,
        asked_by=bodies[one.seq]["by"],
        agency=asked.get("agency"),
        reason=asked.get("reason"),
        documents=asked["documents"],
        due_at=rfc3339(one.due_at),
        is_overdue=one.due_at <= now and came is None,
        came=None if came is None else came["documents"],
        missing=[]
        if came is None
        else [name for name in asked["documents"] if fold(name) not in names],
        note=None if came is None else came.get("note"),
    )
