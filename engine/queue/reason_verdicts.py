"""What officers say of the reasons of a decision: a reason helped, or it was wrong.

The last word of a person on a reason of a decision counts. Verdicts move no queue and teach no
model; counted by reason, they tell who answers for a feature which of its sentences mislead.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from sqlalchemy import Column, Connection, String, case, delete, func, select

from engine.domain.records import Identifier, Record
from engine.journal.entries import Draft, Entry, list_bodies
from engine.journal.kinds import REASON_JUDGED
from engine.storage.database import at_posts, declare_columns, insert_rows, record_table

REASON_VERDICTS = record_table(
    "reason_verdicts",
    Column("decision_id", String, nullable=False, index=True),
    *declare_columns(String, "post", "code", "person", "verdict"),
)
"""The last verdict of each person on each reason of a decision."""
_V = REASON_VERDICTS.c
Verdict = Literal["helped", "wrong"]


class ReasonVerdict(Record):
    """What its sender says of one reason of a decision, by the code that the decision gives it."""

    code: Identifier
    verdict: Verdict
    EXAMPLE: ClassVar = {"code": "documents", "verdict": "helped"}


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """What was said of the reasons of one code."""

    code: str
    helped: int
    wrong: int
    decisions: int


def project_verdicts(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep the last verdict of each person on each reason."""
    for entry, body in list_bodies(entries, REASON_JUDGED):
        about = (body["decision_id"], entry.post, body["code"], str(body["by"]))
        earlier = _V.decision_id == about[0], _V.code == about[2], _V.person == about[3]
        connection.execute(delete(REASON_VERDICTS).where(*earlier))
        insert_rows(connection, REASON_VERDICTS, [(entry.seq, *about, body["verdict"])])


def read_verdicts(connection: Connection, decision_id: str, person: str) -> dict[str, str]:
    """Return what a person said of the reasons of a decision, by code."""
    query = select(_V.code, _V.verdict).where(_V.decision_id == decision_id, _V.person == person)
    return {row.code: row.verdict for row in connection.execute(query)}


def count_verdicts(
    connection: Connection, *, post: str | None, hidden: Collection[str]
) -> Iterator[VerdictCount]:
    """Yield what was said of each reason, the most disputed first.

    ``post`` limits it to one post, ``hidden`` leaves posts out.
    """
    helped = func.sum(case((_V.verdict == "helped", 1), else_=0))
    wrong = func.sum(case((_V.verdict == "wrong", 1), else_=0))
    query = select(_V.code, helped, wrong, func.count(_V.decision_id.distinct())).group_by(_V.code)
    query = query.order_by(wrong.desc(), helped.desc(), _V.code)
    query = query.where(*at_posts(_V.post, post, hidden))
    for code, yes, no, decisions in connection.execute(query):
        yield VerdictCount(code, int(yes), int(no), decisions)
