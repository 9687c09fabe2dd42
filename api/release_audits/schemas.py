"""Answers about audits after release."""

from datetime import datetime

from api.http.schema_base import AnswerSchema
from engine.journal.receipts import Receipt
from engine.queue.release_audits import ClosureCode


class OpenAuditView(AnswerSchema):
    """A vehicle that was released with audit afterwards, and has no act yet."""

    decision_id: str
    crossing_id: str
    post: str
    vehicle_class: str
    profiles: list[str]
    """Codes of the profiles that selected it."""
    decided_at: datetime
    age_days: int
    """Whole days since the decision."""


class OpenAudits(AnswerSchema):
    """The audits to do, the oldest first."""

    tables = ("audits",)
    audits: list[OpenAuditView]


class ClosedAudit(AnswerSchema):
    """An audit that will not be made."""

    decision_id: str
    crossing_id: str
    reason_code: ClosureCode
    recorded_at: datetime
    receipt: Receipt
