"""The area of complaints: what a trader objects to in a decision, and what it was answered.

A supervisor files a complaint for the trader, and another person answers it. Each is one record,
and the table has a row for each complaint. No field is for a person's name.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Annotated, Any, ClassVar, Final, Literal, NotRequired

from pydantic import Field
from sqlalchemy import Column, Connection, Index, Row, String, bindparam, select, update

from engine.domain.field_types import Identifier, Text
from engine.domain.records import Record
from engine.domain.rights import Matter
from engine.errors import ConflictError, NotFoundError
from engine.journal.areas import Area, Body, Group, NamedField, Owner, RecordRule, TableRule
from engine.journal.copies import find_local_number
from engine.journal.entries import Draft, Entry, JournalRecord, Kind, list_bodies
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.kinds import ReportBody
from engine.storage.database import (
    Int64,
    at_posts,
    declare_columns,
    execute_rows,
    insert_rows,
    record_table,
)

Ground = Literal[
    "selection", "holding", "delay", "search", "damage", "outcome", "conduct", "other"
]  # fmt: skip
Verdict = Literal["upheld", "rejected"]


class ComplaintBody(ReportBody):
    """What a trader objects to; ``agency`` of the person who files it."""

    decision_id: str
    crossing_id: str
    ground: Ground
    text: str
    reference: NotRequired[str]
    agency: NotRequired[str]


class ComplaintAnsweredBody(ReportBody):
    """The answer; ``of`` is the number of the complaint's record, ``agency`` that of it."""

    of: int
    crossing_id: str
    verdict: Verdict
    text: str
    agency: NotRequired[str]


COMPLAINT_FILED: Final = Kind[ComplaintBody]("complaint_filed", "complaint of a trader")
"""A supervisor files what a trader objects to; the subject is the decision."""
COMPLAINT_ANSWERED: Final = Kind[ComplaintAnsweredBody](
    "complaint_answered", "complaint of a trader answered"
)
"""Another person answers it; the subject is the decision."""


Words = Annotated[Text, Field(min_length=1)]


class Complaint(Record):
    """A trader's complaint about a decision, as a supervisor files it."""

    decision_id: Identifier
    ground: Ground
    text: Words
    """What the trader objects to, without a name of a person."""
    reference: Identifier | None = None
    """Of the trader's letter."""
    EXAMPLE: ClassVar = {
        "decision_id": "0f3c5a7e9b1d4c6f8a2e0b4d6c8f1a3e",
        "ground": "delay",
        "text": "The lorry with fruit waited nine hours for the scanner.",
        "reference": "2026/117",
    }


class ComplaintAnswer(Record):
    """The answer to a complaint."""

    verdict: Verdict
    text: Words
    EXAMPLE: ClassVar = {"verdict": "upheld", "text": "The scanner was down; the fee is returned."}


COMPLAINTS = record_table(
    "complaints",
    *declare_columns(String, "decision_id", "post"),
    *declare_columns(Int64, "known_at"),
    Column("agency", String),
    *declare_columns(String, "ground"),
    Column("answered_seq", Int64),
    Column("verdict", String),
    Index("complaints_decision_ix", "decision_id"),
    Index("complaints_post_ix", "post", "known_at"),
)
_C = COMPLAINTS.c


def project_complaints(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep what was filed, and the first answer to it."""
    filed = [
        (
            *(entry.seq, body["decision_id"], entry.post, entry.known_at, body.get("agency")),
            *(body["ground"], None, None),
        )
        for entry, body in list_bodies(entries, COMPLAINT_FILED)
    ]
    insert_rows(connection, COMPLAINTS, filed)
    answered = [
        {
            "which": find_local_number(connection, draft, draft.body["of"]),
            "at_post": entry.post,
            "by": entry.seq,
            "stated": draft.body["verdict"],
        }
        for entry, draft in entries
        if entry.kind == COMPLAINT_ANSWERED
    ]
    execute_rows(connection, _ANSWERED, answered)


_ANSWERED = (
    update(COMPLAINTS)
    .where(_C.seq == bindparam("which"), _C.post == bindparam("at_post"), _C.answered_seq.is_(None))
    .values(answered_seq=bindparam("by"), verdict=bindparam("stated"))
)


def list_complaints(
    connection: Connection,
    post: str | None,
    *,
    since: int,
    until: int,
    decision_id: str | None = None,
    is_open: bool = False,
    hidden: Collection[str] = (),
    most: int,
) -> Sequence[Row[Any]]:
    """Return the complaints that were filed in a period, the newest first.

    ``post`` None means all but ``hidden`` posts; times are UTC microseconds. ``is_open`` leaves out
    those that are answered.
    """
    query = (
        select(COMPLAINTS)
        .where(_C.known_at >= since, _C.known_at < until, *at_posts(_C.post, post, hidden))
        .order_by(_C.seq.desc())
        .limit(most)
    )
    if is_open:
        query = query.where(_C.answered_seq.is_(None))
    if decision_id is not None:
        query = query.where(_C.decision_id == decision_id)
    return connection.execute(query).all()


def read_complaint(connection: Connection, seq: int) -> Row[Any]:
    """Return the row of one complaint; raises ``NotFoundError``."""
    row = connection.execute(select(COMPLAINTS).where(_C.seq == seq)).one_or_none()
    if row is None:
        raise NotFoundError("complaint", str(seq))
    return row


def draft_complaint(
    complaint: Complaint,
    claim: IdempotencyClaim,
    *,
    crossing_id: str,
    by: str,
    agency: str | None,
) -> Draft[ComplaintBody]:
    """Return the record of a complaint."""
    body: ComplaintBody = {
        "claim": claim.as_dict(),
        "by": by,
        "decision_id": complaint.decision_id,
        "crossing_id": crossing_id,
        "ground": complaint.ground,
        "text": complaint.text,
    }
    if complaint.reference is not None:
        body["reference"] = complaint.reference
    if agency is not None:
        body["agency"] = agency
    return COMPLAINT_FILED.draft(complaint.decision_id, body, post=claim.post)


def draft_answer(
    connection: Connection,
    seq: int,
    answer: ComplaintAnswer,
    claim: IdempotencyClaim,
    *,
    crossing_id: str,
    by: str,
) -> Draft[ComplaintAnsweredBody]:
    """Return the record of an answer; raises ``ConflictError`` for an answered complaint."""
    row = read_complaint(connection, seq)
    if row.answered_seq is not None:
        raise ConflictError("complaint", str(seq), "it is answered already")
    body: ComplaintAnsweredBody = {
        "claim": claim.as_dict(),
        "by": by,
        "of": seq,
        "crossing_id": crossing_id,
        "verdict": answer.verdict,
        "text": answer.text,
    }
    if row.agency is not None:
        body["agency"] = row.agency
    return COMPLAINT_ANSWERED.draft(row.decision_id, body, post=claim.post)


def _own(body: Body) -> Iterator[Owner]:
    yield Matter.REVIEWS, body.get("agency")


def _group_by_movement(one: JournalRecord[Any]) -> Group:
    return "movement", one.body["crossing_id"]


_RULE = RecordRule(
    matter=Matter.REVIEWS,
    owners=_own,
    group=_group_by_movement,
    is_of_post=True,
    names=(NamedField("decision", "subject"), NamedField("crossing", "crossing_id")),
)
AREA: Final = Area(
    name="complaints",
    records={COMPLAINT_FILED: _RULE, COMPLAINT_ANSWERED: _RULE},
    tables={"complaints": TableRule(erased_by=("seq",))},
    projections=("engine.complaints:project_complaints",),
)
