"""Answers about the watch list."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema
from api.profiles.schemas import AcknowledgedStep, Example, Outcome, TwoKeysView


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


class PreviewedCrossing(Example):
    """A crossing that an entry would have matched."""

    decision_id: str | None
    """None where the loaded history alone knows it."""


class WatchPreview(AnswerSchema):
    """What an entry would have matched, had it been in force; nothing is recorded."""

    synthetic: bool
    names: dict[str, str]
    look_alikes: bool
    is_by_shape: bool
    """Every spelling of the same shape was counted; false where there are too many of them."""
    since: datetime | None
    until: datetime | None
    """The last crossing that is known, from which days count back."""
    days: float
    arrivals: int
    matches: int
    inspected: int | None
    """Of the matches, by an act that could find something; None where acts are hidden."""
    hits: int | None
    seizures: int | None
    minutes: float
    """Of physical inspection that all matches would have taken."""
    examples: list[PreviewedCrossing]
    """The latest of them, at posts that the caller sees."""
