"""Answers about the watch list."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema
from api.profiles.schemas import AcknowledgedStep, Outcome, TwoKeysView


class WatchEntryView(TwoKeysView):
    """An entry of the watch list."""

    names: dict[str, str]
    look_alikes: bool
    is_shareable: bool
    """Its identifiers may be compared with the lists of partners."""
    source_post: str | None
    agency: str | None
    """The agency whose entry it is."""
    reason: str
    note: str | None
    expiry: datetime
    is_notice: bool
    """A counterpart's word, not confirmed by a second person here."""
    is_of_counterpart: bool
    """A counterpart's word, confirmed or not: what it sends counts under ``counterpart``."""
    channel: Literal["yellow", "red"]
    outcome: Outcome


class WatchList(AnswerSchema):
    """Entries of the watch list, the newest first."""

    tables = ("entries",)
    entries: list[WatchEntryView]


class AcknowledgedNotice(AcknowledgedStep):
    """A notice that is on the list."""

    is_notice: Literal[True]
    """It stands on one person's word until a supervisor confirms it."""
    channel: Literal["yellow"]
    expiry: datetime
    """As asked, or after 30 days, whichever comes first."""
