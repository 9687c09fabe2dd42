"""Documents that an officer asked for: a doubt with a clock, in place of a search.

Who asked, for what and until when is one record; what came is another. Neither is an inspection
act, so no label, no rate and no minutes follow from a question that is not answered. The next act
on the vehicle answers it, whatever it finds, and teaches as any act does. The vehicle may be
released meanwhile: the question stays open, and is overdue once its time has passed.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field
from sqlalchemy import Column, Connection, Index, String, bindparam, select, text, update

from engine.domain.field_types import Agency, Codes, RecordId, Text, Time
from engine.domain.records import Record
from engine.domain.time_units import DAY, micros, rfc3339
from engine.errors import ConflictError, NotFoundError, RecordError
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.kinds import (
    DOCUMENTS_ASKED,
    DOCUMENTS_CAME,
    INSPECTION,
    DocumentsAskedBody,
    DocumentsCameBody,
)
from engine.queue.queue import DECISIONS
from engine.storage.database import (
    Int64,
    at_posts,
    declare_columns,
    execute_rows,
    insert_rows,
    record_table,
)

LONGEST_DAYS = 366
QUESTIONS = record_table(
    "documents_asked",
    *declare_columns(String, "crossing_id", "post"),
    *declare_columns(Int64, "due_at"),
    Column("came_seq", Int64),
    Column("act_seq", Int64),
    Index("documents_asked_crossing_ix", "crossing_id"),
    Index(
        "documents_asked_open_ix",
        "due_at",
        sqlite_where=text("act_seq IS NULL"),
        postgresql_where=text("act_seq IS NULL"),
    ),
)
"""Each question, the record of what came, and the first act after it."""
_Q = QUESTIONS.c


class DocumentsAsked(Record):
    """That documents were asked for, reported where an inspection act would be."""

    inspection_id: RecordId
    crossing_id: RecordId
    outcome: Literal["documents_asked"]
    documents: Annotated[Codes, Field(min_length=1)]
    """What for: codes of documents, as box 44 of a declaration has them, or their names."""
    due_at: Time
    reason: Text | None = None
    """The doubt, in words."""
    agency: Agency = None
    """The agency that asks."""

    EXAMPLE: ClassVar = {
        "inspection_id": "OYB-ACT-2026-0032",
        "crossing_id": "OYB-2026-000417",
        "outcome": "documents_asked",
        "documents": ["N851", "certificate of origin"],
        "due_at": "2026-03-08T18:00:00+05:00",
        "reason": "the origin is not stated for item 2",
    }


class DocumentsCame(Record):
    """What came of what was asked for."""

    documents: Codes = ()
    """Empty if nothing came, and nothing will."""
    note: Text | None = None
    EXAMPLE: ClassVar = {"documents": ["certificate of origin"], "note": "by mail, 5 March"}


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A question that no act has answered yet."""

    seq: int
    crossing_id: str
    post: str
    due_at: int
    """UTC microseconds."""
    came_seq: int | None
    """The record of what came; None while nothing did."""


def project_questions(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep what was asked for, what came, and which questions an act answered."""
    asked = [
        (entry.seq, body["crossing_id"], entry.post, body["due_at"], None, None)
        for entry, body in list_bodies(entries, DOCUMENTS_ASKED)
    ]
    insert_rows(connection, QUESTIONS, asked)
    came = [
        {"which": find_local_number(connection, draft, draft.body["of"]), "by": entry.seq}
        for entry, draft in entries
        if entry.kind == DOCUMENTS_CAME
    ]
    execute_rows(connection, _CAME, came)
    acts = [
        {"which": body["crossing_id"], "by": entry.seq}
        for entry, body in list_bodies(entries, INSPECTION)
    ]
    execute_rows(connection, _ANSWERED, acts)


_CAME = update(QUESTIONS).where(_Q.seq == bindparam("which")).values(came_seq=bindparam("by"))
_ANSWERED = (
    update(QUESTIONS)
    .where(_Q.crossing_id == bindparam("which"), _Q.act_seq.is_(None), _Q.seq < bindparam("by"))
    .values(act_seq=bindparam("by"))
)


def list_questions(
    connection: Connection,
    post: str | None = None,
    *,
    hidden: Collection[str] = (),
    due_before: int | None = None,
    is_waiting: bool = False,
    most: int | None,
) -> list[OpenQuestion]:
    """Return the questions without an act, those due first first.

    ``post`` None means all but ``hidden`` posts; ``due_before`` (UTC microseconds) leaves out what
    is due later, ``is_waiting`` the vehicles that have left the queue.
    """
    query = select(QUESTIONS).where(_Q.act_seq.is_(None)).order_by(_Q.due_at, _Q.seq).limit(most)
    query = query.where(*at_posts(_Q.post, post, hidden))
    if due_before is not None:
        query = query.where(_Q.due_at < due_before)
    if is_waiting:
        waits = select(DECISIONS.c.crossing_id).where(DECISIONS.c.waiting)
        query = query.where(_Q.crossing_id.in_(waits))
    return [
        OpenQuestion(row.seq, row.crossing_id, row.post, row.due_at, row.came_seq)
        for row in connection.execute(query)
    ]


def read_question(connection: Connection, seq: int) -> OpenQuestion:
    """Return one question; raises ``NotFoundError``, and ``ConflictError`` for an answered one."""
    row = connection.execute(select(QUESTIONS).where(_Q.seq == seq)).one_or_none()
    if row is None:
        raise NotFoundError("documents_asked", str(seq))
    if row.act_seq is not None:
        raise ConflictError("documents_asked", str(seq), "an act has answered it")
    return OpenQuestion(row.seq, row.crossing_id, row.post, row.due_at, row.came_seq)


def draft_question(
    asked: DocumentsAsked, claim: IdempotencyClaim, *, by: str, now: int
) -> Draft[Any]:
    """Return the record of a question; raises ``RecordError`` for a time out of bounds."""
    due = micros(asked.due_at)
    if not now < due <= now + LONGEST_DAYS * DAY:
        why = f"lies ahead, at most {LONGEST_DAYS} days"
        raise RecordError("inspection", "due_at", "due_at", why)
    stated = asked.model_dump(mode="json", exclude_none=True) | {"due_at": rfc3339(due)}
    body: DocumentsAskedBody = {
        "claim": claim.as_dict(),
        "by": by,
        "crossing_id": asked.crossing_id,
        "due_at": due,
        "inspection": stated,
    }
    return DOCUMENTS_ASKED.draft(asked.inspection_id, body, post=claim.post)


def draft_answer(
    connection: Connection, seq: int, came: DocumentsCame, claim: IdempotencyClaim, *, by: str
) -> Draft[Any]:
    """Return the record of what came; raises ``NotFoundError`` and ``ConflictError``."""
    question = read_question(connection, seq)
    if question.came_seq is not None:
        raise ConflictError("documents_asked", str(seq), "what came is recorded already")
    body: DocumentsCameBody = {
        "claim": claim.as_dict(),
        "by": by,
        "of": seq,
        "crossing_id": question.crossing_id,
        "documents": list(came.documents),
    }
    if came.note is not None:
        body["note"] = came.note
    return DOCUMENTS_CAME.draft(question.crossing_id, body, post=claim.post)
