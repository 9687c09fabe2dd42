"""Answers about drift."""

from datetime import datetime

from api.http.schema_base import AnswerSchema, Estimate


class MovedFamily(AnswerSchema):
    """How far the farthest feature of a family has moved."""

    family: str
    features: int
    moved: int
    """How many of them moved beyond chance and 0.1."""
    farthest: str
    psi: float
    """Population stability index: 0 where nothing moved."""
    noise: float
    """What samples of these sizes hardly ever exceed when nothing moved."""
    is_moved: bool


class MovedScore(AnswerSchema):
    """How far scores have moved, and what that does to the load."""

    psi: float
    noise: float
    moved: bool
    above_cut: Estimate
    """Share now above the cut that once kept ``expected``."""
    expected: float


class Watched(AnswerSchema):
    """Searches against what was stated, week by week since the model came into force."""

    weeks: int
    evidence: float
    """Alarms at the threshold; about 1 where nothing changed."""
    threshold: float
    alarmed: bool
    """An alarm stays said until the model leaves."""
    stated: float | None
    """Mean chance of a discrepancy as stated before the searches."""
    found: Estimate


class DriftPart(AnswerSchema):
    """Drift at one post, or at all."""

    rows: int
    knowable: bool
    """Whether that many rows can tell anything."""
    families: list[MovedFamily]
    moved: int | None
    of: int
    score: MovedScore | None
    picked: Watched
    random: Watched


class Drift(AnswerSchema):
    """One measurement."""

    at: datetime
    by: str
    version: str
    synthetic: bool
    since: datetime
    until: datetime
    in_force_since: datetime | None
    """From when on searches count; null where the model does not decide."""
    decisions: int
    sampled: int
    left_out: int
    """Decisions whose features can no longer be read as they were."""
    span_days: float
    reference_rows: int
    all: DriftPart
    posts: dict[str, DriftPart]


class DriftAnswer(AnswerSchema):
    """The last measurement, and which model decides now."""

    tables = ("measured.all.families", "measured.posts")
    in_force: str | None
    measured: Drift | None
