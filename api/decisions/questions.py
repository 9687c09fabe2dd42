"""Documents asked for on a vehicle, as a reader sees them.

Questions of an agency whose acts a reader does not see are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.answers import Answer, Time
from engine.domain.rights import Matter
from engine.domain.time_units import rfc3339
from engine.journal.journal import JournalReader
from engine.queue.documents_asked import OpenQuestion, list_questions
from engine.queue.queue import last_of_crossing


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestionView(Answer):
    """Documents that were asked for, and that no act has answered yet."""

    sequence: int
    """The record of the question, by which it is answered."""
    inspection_id: str
    crossing_id: str
    decision_id: str | None
    """The last decision on the vehicle."""
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
    views = [
        _describe(one, bodies, _find_decision(snapshot, one.crossing_id), now=now)
        for one in found
        if one.seq in bodies
    ]
    return [one for one in views if caller.sees(Matter.ACTS, one.agency)]


def _find_decision(snapshot: Connection, crossing_id: str) -> str | None:
    known = last_of_crossing(snapshot, crossing_id)
    return None if known is None else known.decision_id


def _describe(
    one: OpenQuestion, bodies: Any, decision_id: str | None, *, now: int
) -> OpenQuestionView:
    asked = bodies[one.seq]["inspection"]
    came = None if one.came_seq is None else bodies.get(one.came_seq)
    return OpenQuestionView(
        sequence=one.seq,
        inspection_id=asked["inspection_id"],
        crossing_id=one.crossing_id,
        decision_id=decision_id,
        post=one.post,
        asked_by=bodies[one.seq]["by"],
        agency=asked.get("agency"),
        reason=asked.get("reason"),
        documents=asked["documents"],
        due_at=rfc3339(one.due_at),
        is_overdue=one.due_at <= now and came is None,
        came=None if came is None else came["documents"],
        note=None if came is None else came.get("note"),
    )
