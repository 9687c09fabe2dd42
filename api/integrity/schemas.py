"""Answer of the integrity report."""

from datetime import datetime
from typing import Literal

from api.http.schema_base import AnswerSchema


class Assignment(AnswerSchema):
    """Vehicles sent to officers that were inspected or released in the period."""

    dealt_with: int
    drawn: int
    """Of these, a team had been drawn for so many."""
    taken_over: int
    """And another team than the one drawn dealt with so many."""


class IntegrityTest(AnswerSchema):
    """How the findings were tested, so that anybody can repeat it."""

    vehicles: int
    officers: int
    permutations: int
    seed: str
    """Of the permutations: a whole number, written out."""
    alarm_at: float
    """Adjusted p-value at which a finding is an alarm."""
    knowable: bool
    why: str
    """Why nothing can be said yet; empty where something can."""
    alarms: int


class IntegrityFinding(AnswerSchema):
    """A figure above what random assignment gives."""

    measure: Literal["handled", "taken_over", "let_go"]
    """Vehicles dealt with; drawn for another team; released without a search that could find
    something."""
    officer: str
    """Team or officer by its code on the roster, or who reported where the roster names none."""
    carrier: str
    """Empty for all carriers together."""
    seen: int
    expected: float
    excess: float
    """In standard deviations, steadied."""
    p_value: float
    """Adjusted for every figure looked at."""
    alarm: bool


class RedRelease(AnswerSchema):
    """A red vehicle that left without an act."""

    decision_id: str
    crossing_id: str
    released_at: datetime
    by: str | None
    agency: str | None
    """The agency for which that person acted."""
    team: str | None
    second_person: str | None
    """Who else reviewed the decision; null until a review."""


class Reviewer(AnswerSchema):
    """What one supervisor said about decisions."""

    person: str
    agency: str | None
    reviews: int
    overrides: int
    milder: int
    """Overrides to a milder channel than the vehicle stood in."""


class IntegrityReport(AnswerSchema):
    """What a post's integrity officer is to look at."""

    tables = ("findings", "red_releases", "reviewers")
    post: str
    as_of: datetime
    days: int
    agency: str | None
    """The one agency whose acts, releases and reviews are counted; null for all that are seen."""
    synthetic: bool
    assignment: Assignment
    test: IntegrityTest
    findings: list[IntegrityFinding]
    """The least likely first, twenty at most."""
    red_releases: list[RedRelease]
    """Those without a second person first."""
    reviewers: list[Reviewer]
