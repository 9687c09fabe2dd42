"""The answer about notifications."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema

NotificationKind = Literal["watchlist_hit", "riskier_arrival", "approval_waiting", "alarm"]


class NotificationView(AnswerSchema):
    """One thing that waits for the caller, or that the caller should look at."""

    kind: NotificationKind
    about: str
    """Of an approval its matter, of an alarm what raised it, of a hit ``vehicle``."""
    id: str
    """Of the profile, entry, model, record, case, decision or shift."""
    post: str | None
    at: datetime


class Notifications(AnswerSchema):
    """Notifications, the newest first; one leaves when its matter is settled."""

    tables = ("notifications",)
    notifications: list[NotificationView]
