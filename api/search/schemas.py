"""The answer of a search."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema

MatchedField = Literal[
    "decision",
    "crossing",
    "plate",
    "trailer_plate",
    "vin",
    "container",
    "seal",
    "carrier",
    "declarant",
    "consignor",
    "consignee",
    "declaration",
    "tir",
    "cmr",
]
"""What the text is an identifier of, or a part of one."""


class FoundDecisionView(AnswerSchema):
    """A decision that a search found, without any figure of it."""

    decision_id: str
    crossing_id: str
    post: str
    direction: str
    arrived_at: datetime
    decided_at: datetime
    vehicle_class: str
    plate: str | None
    plate_country: str | None
    channel: str
    """Where the vehicle stands, or stood last."""
    waiting: bool
    amends: str | None
    """The first decision of its movement, where the declaration was changed since."""
    matched: list[MatchedField]


class SearchResult(AnswerSchema):
    """Decisions that a search found, the newest first."""

    tables = ("found",)
    found: list[FoundDecisionView]
    next_before: int | None
    """``before`` of the next page; None on the last."""
