"""Answers about the quality of the data."""

from datetime import date, datetime
from typing import Literal

from api.http.schema_base import AnswerSchema

FindingKind = Literal[
    "missing", "late", "duplicate", "unknown_code", "clock_skew", "stuck_field", "change_point"
]


class QualityFindingView(AnswerSchema):
    """What deviates at a post from its own days before."""

    kind: FindingKind
    post: str
    field: str
    since: date
    until: date
    """The last day of it."""
    rows: int
    of: int
    text: str
    """The finding as one English sentence."""
    usual: float | None
    """A share in [0, 1]; minutes of a clock, crossings of a change point."""
    seen: float | None
    """Minutes from the paired post, of a clock."""
    codes: list[str]
    """The unknown codes named most often; of a clock, the paired post."""


class QualityWeek(AnswerSchema):
    """Rows and missing values of one field at one post in one week."""

    post: str
    field: str
    week: date
    """Its Monday, UTC."""
    rows: int
    missing: int


class QualityAssessment(AnswerSchema):
    """One assessment of what a home knew at a time."""

    as_of: datetime
    synthetic: bool
    findings: list[QualityFindingView]
    weeks: list[QualityWeek]


class QualityAnswer(AnswerSchema):
    """The last assessment that was kept; null before the first."""

    tables = ("assessed.findings", "assessed.weeks")
    assessed: QualityAssessment | None
