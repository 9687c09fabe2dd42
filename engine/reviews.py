"""What supervisors said about decisions: upheld, or sent elsewhere, with a reason.

A decision is never rewritten. A review is a record beside it, and the queue goes by the last one.
Overrides are data: what they found is counted apart from what the engine chose.
"""

from collections.abc import Sequence
from typing import Any, Literal, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError
from sqlalchemy import Column, Connection, Index, SmallInteger, String, Table, insert, select

from engine.journal import Draft, Entry
from engine.queue import Filed, redirect
from engine.records import Identifier, Record, Text
from engine.selection import Channel
from engine.store import METADATA, Int64

REVIEW = "review"
"""Kind of the record."""
ChannelCode = Literal["green", "blue", "yellow", "red"]

REVIEWS = Table(
    "reviews",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("decision_id", String, nullable=False, index=True),
    Column("post", String, nullable=False),
    Column("known_at", Int64, nullable=False),
    Column("person", String, nullable=False),
    Column("verdict", String, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("reason_code", String, nullable=False),
    Index("reviews_post_ix", "post", "known_at"),
)


class Review(Record):
    """A supervisor's word on a decision."""

    verdict: Literal["uphold", "override"]
    channel: ChannelCode | None = None
    """Where an override sends the vehicle; an upheld decision names none, or its own."""
    reason_code: Identifier
    reason: Text | None = None
    """In words; an override owes them."""

    @model_validator(mode="after")
    def _overrides_say_where_and_why(self) -> Self:
        if self.verdict == "override" and self.channel is None:
            why, at = "an override says to which channel", {"field": "channel"}
            raise PydanticCustomError("missing_key", why, at)
        if self.verdict == "override" and not (self.reason or "").strip():
            why, at = "an override says why, in words", {"field": "reason"}
            raise PydanticCustomError("missing_key", why, at)
        return self


def review_draft(
    review: Review,
    decision: Filed,
    *,
    person: str,
    claim: dict[str, object],
    place: int | None = None,
) -> Draft:
    """Return the record of a review; ``place`` is drawn for a vehicle that waits elsewhere now."""
    body: dict[str, Any] = {
        "claim": claim,
        "decision_id": decision.decision_id,
        "crossing_id": decision.crossing_id,
        "person": person,
        "review": review.model_dump(mode="json", exclude_none=True),
    }
    if place is not None:
        body["place"] = place
    return Draft(REVIEW, decision.decision_id, decision.post, body)


class ReviewProjection:
    """Keeps reviews, and lets the queue follow them."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Write what these records say about decisions."""
        for entry, draft in entries:
            if entry.kind != REVIEW:
                continue
            said = draft.body["review"]
            channel = Channel.of(said["channel"]) if "channel" in said else None
            place = draft.body.get("place")
            now = redirect(connection, entry.subject, channel, place=place)
            row = {
                "seq": entry.seq,
                "decision_id": entry.subject,
                "post": entry.post,
                "known_at": entry.known_at,
                "person": draft.body["person"],
                "verdict": said["verdict"],
                "channel": int(now),
                "reason_code": said["reason_code"],
            }
            connection.execute(insert(REVIEWS), [row])


_R = REVIEWS.c


def reviews_of(connection: Connection, decision_id: str) -> list[int]:
    """Return the records of a decision's reviews, the first one first."""
    query = select(_R.seq).where(_R.decision_id == decision_id).order_by(_R.seq)
    return [seq for (seq,) in connection.execute(query)]
