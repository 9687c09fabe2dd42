"""Reviews by supervisors, who uphold a decision or send the vehicle elsewhere; verdicts on reasons.

A decision is never rewritten. A review is a record of its own, and the queue follows the last one,
with one exception: a vehicle that waits for officers is let go by the same word of two supervisors.
The first is recorded and changes nothing; the next review decides, and where it is the same word of
another person, the vehicle leaves the queue. Overrides are data: what they found is counted apart
from what the engine chose.

A verdict says that a reason of a decision helped, or that it was wrong. The last word of a person
on a reason of a decision counts. Verdicts move no queue and teach no model; counted by reason, they
tell who answers for a feature which of its sentences mislead.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Literal, Self, cast

from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    SmallInteger,
    String,
    case,
    delete,
    exists,
    func,
    select,
)

from engine.domain.field_types import Identifier, Text
from engine.domain.records import Record
from engine.domain.time_units import DAY
from engine.errors import NotAllowedError
from engine.journal.entries import Draft, Entry, JournalRecord, list_bodies
from engine.journal.journal import JournalReader
from engine.journal.kinds import REASON_JUDGED, REVIEW, ClaimBody, QueueStep, ReviewBody
from engine.journal.power_records import read_records
from engine.queue.projection import redirect
from engine.queue.queue import (
    DECISIONS,
    WAITS,
    QueuedDecision,
    last_of_crossing,
    list_decisions,
    may_wait,
)
from engine.selection import INSPECTED, Channel, ChannelCode
from engine.storage.database import Int64, at_posts, declare_columns, insert_rows, record_table

ReviewCode = Literal[
    "agreed",
    "officer_observation",
    "known_lawful",
    "data_error",
    "capacity",
    "intelligence",
    "other",
]
"""Codes that a review may give."""
AGREED: Final = "agreed"
"""Reason code of who agrees with the engine's reasons; no reason to send a vehicle elsewhere."""
PLACE: Final = "place"
"""Key of a review's body: the queue place drawn for a vehicle that waits elsewhere now."""
NEEDS_SECOND: Final = "needs_second_person"
SECONDS: Final = "seconds"
"""Keys of a review's body: that it changes nothing alone; the record of the review it seconds."""

REVIEWS = record_table(
    "reviews",
    Column("decision_id", String, nullable=False, index=True),
    *declare_columns(String, "post"),
    *declare_columns(Int64, "known_at"),
    *declare_columns(String, "person", "verdict"),
    *declare_columns(SmallInteger, "channel"),
    *declare_columns(String, "reason_code"),
    Index("reviews_post_ix", "post", "known_at"),
)


@dataclass(frozen=True, slots=True)
class Reviewer:
    """Who speaks on a decision."""

    name: str
    """Of the person who answers for it; of the key where none is known."""
    is_person: bool
    agency: str | None = None
    """The agency for which they speak; None without one."""


class Review(Record):
    """A supervisor's word on a decision."""

    verdict: Literal["uphold", "override"]
    channel: ChannelCode | None = None
    """Where an override sends the vehicle; an upheld decision names none, or its own."""
    reason_code: ReviewCode
    reason: Text | None = None
    """In words; an override owes them."""

    EXAMPLE: ClassVar = {
        "verdict": "override",
        "channel": "red",
        "reason_code": "officer_observation",
        "reason": "Fresh weld on the frame.",
    }

    @property
    def sends_to_red(self) -> bool:
        """Tell whether it is an override to physical inspection."""
        return self.verdict == "override" and self.channel == "red"

    @model_validator(mode="after")
    def _overrides_say_where_and_why(self) -> Self:
        if self.verdict == "override" and self.channel is None:
            why, at = "an override says to which channel", {"field": "channel"}
            raise PydanticCustomError("missing_key", why, at)
        if self.verdict == "override" and not (self.reason or "").strip():
            why, at = "an override says why, in words", {"field": "reason"}
            raise PydanticCustomError("missing_key", why, at)
        if self.verdict == "override" and self.reason_code == AGREED:
            why, at = "who agrees with the reasons overrides nothing", {"field": "reason_code"}
            raise PydanticCustomError("agreed_override", why, at)
        return self


def review_draft(
    review: Review,
    decision: QueuedDecision,
    *,
    person: str,
    claim: ClaimBody,
    step: QueueStep,
) -> Draft:
    """Return the record of a review.

    ``step`` is how it moves the queue: to a drawn place, as a second word, or not without one; and
    the search order of a vehicle that it sends to red without one.
    """
    body: ReviewBody = {
        "claim": claim,
        "decision_id": decision.decision_id,
        "crossing_id": decision.crossing_id,
        "person": person,
        "review": review.model_dump(mode="json", exclude_none=True),
        **step,
    }
    return REVIEW.draft(decision.decision_id, body, post=decision.post)


ORDER_FIELDS: Final = ("search_order", "unreached", "search_figures")


def project_reviews(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep reviews, and let the queue follow them."""
    for entry, body in list_bodies(entries, REVIEW):
        value = body["review"]
        channel = Channel.of(value["channel"]) if _is_moving(body) else None
        post, place = entry.post, body.get("place")
        now = redirect(connection, entry.subject, channel, post=post, place=place)
        if now is None:  # a copy that names another post's decision
            continue
        about = (entry.seq, entry.subject, entry.post, entry.known_at, body["person"])
        row = (*about, value["verdict"], int(now), value["reason_code"])
        insert_rows(connection, REVIEWS, [row])


def order_of_review(connection: Connection, decision: QueuedDecision) -> dict[str, Any]:
    """Return the search order made when a supervisor sent the vehicle to red; empty without one.

    Its fields are those of ``engine.decision.role_views.order_fields``.

    Only a vehicle that now is red is looked for, so that a queue asks for few.
    """
    if decision.channel != Channel.RED:
        return {}
    for one in reversed(read_reviews(connection, decision)):
        if "search_order" in one.body:
            return {name: one.body[name] for name in ORDER_FIELDS}
    return {}


def read_reviews(
    connection: Connection, decision: QueuedDecision
) -> list[JournalRecord[ReviewBody]]:
    """Return the records of a decision's reviews that the chain proves, the first one first."""
    return [
        cast("JournalRecord[ReviewBody]", one)
        for one in read_records(connection, (REVIEW,), subject=decision.decision_id)
        if one.body is not None and one.post == decision.post
    ]


def list_proposals(
    connection: Connection, *where: ColumnElement[bool], as_of: int
) -> Iterator[tuple[QueuedDecision, JournalRecord[ReviewBody]]]:
    """Yield the waiting vehicles whose last review waits for a second person, with that review.

    ``where`` has conditions on ``DECISIONS``.
    """
    reviewed = REVIEWS.c.decision_id == DECISIONS.c.decision_id, REVIEWS.c.verdict == "override"
    is_reviewed, since = exists().where(*reviewed), as_of - DAY
    for known in list_decisions(
        connection, WAITS, is_reviewed, *where, post=None, channel=None, since=since, most=None
    ):
        last = next(reversed(read_reviews(connection, known)), None)
        if last is not None and last.body.get(NEEDS_SECOND):
            yield known, last


def holds_vehicle(connection: Connection, crossing_id: str, *, as_of: int) -> bool:
    """Tell whether a vehicle waits for officers, or no record shows that it does not."""
    last = last_of_crossing(connection, crossing_id)
    if last is None:
        return False
    decided = JournalReader(connection).body(last.seq)
    channel = read_channel(read_reviews(connection, last), decided)
    return may_wait(connection, last, channel, as_of=as_of)


def read_channel(
    reviews: Sequence[JournalRecord[ReviewBody]], decided: Mapping[str, Any]
) -> Channel:
    """Return where a decision stands by its reviews; ``decided`` is the body of its own record."""
    moved = [one.body["review"]["channel"] for one in reviews if _is_moving(one.body)]
    return Channel.of(moved[-1] if moved else decided["decision"]["channel"])


def _is_moving(body: Mapping[str, Any]) -> bool:
    return "channel" in body["review"] and not body.get(NEEDS_SECOND)


def second_step(
    connection: Connection,
    review: Review,
    decision: QueuedDecision,
    decided: Mapping[str, Any],
    *,
    as_of: int,
    by: Reviewer,
    may_second: Callable[[str], bool],
) -> QueueStep:
    """Return what a review's body says of the rule of two: nothing where it may act alone.

    ``decided`` is the body of the decision's record, ``may_second`` tells whether the reviewer may
    second a person's word. A proposal stands until the next review of the decision, and lapses with
    its person. Raises ``NotAllowedError`` where no known person answers for the review.
    """
    if review.channel is None or Channel.of(review.channel) in INSPECTED:
        return {}
    reviews = read_reviews(connection, decision)
    if not may_wait(connection, decision, read_channel(reviews, decided), as_of=as_of):
        return {}
    if not by.is_person:
        raise NotAllowedError("a person lets a waiting vehicle go: this key has no owner")
    last = reviews[-1] if reviews else None
    if last is None or not last.body.get(NEEDS_SECOND):
        return {NEEDS_SECOND: True}
    is_same = last.body["review"]["channel"] == review.channel
    if is_same and may_second(last.body["person"]):
        return {SECONDS: last.seq}
    return {NEEDS_SECOND: True}


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
