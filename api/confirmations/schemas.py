"""Answers about finds that wait for a confirmation."""

from datetime import datetime

from api.http.schema_base import AnswerSchema
from engine.domain.records import SubstanceClass
from engine.journal.receipts import Receipt


class PendingFindView(AnswerSchema):
    """A find by plate, and the entry at another post that it would belong to."""

    sequence: int
    """The seizure's record."""
    seizure_id: str
    reported_by: str
    plate: str
    substance_class: SubstanceClass
    quantity_g: float | None
    recorded_at: datetime
    """When the journal had it."""
    post: str
    """Where the vehicle entered."""
    crossing_id: str


class PendingFinds(AnswerSchema):
    """The finds that wait, the oldest first."""

    tables = ("finds",)
    finds: list[PendingFindView]


class ConfirmedFind(AnswerSchema):
    """That a find belongs to a crossing from now on."""

    seizure_id: str
    crossing_id: str
    recorded_at: datetime
    receipt: Receipt
