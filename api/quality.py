"""Quality of the data as last assessed, over HTTP and as a page.

``darvoza quality --keep`` writes the assessment as a file of the home: every night by a timer, and
for a caller who asks. An assessment takes seconds of a core, and libraries that the service does
not import. A caller reads it for the posts in reach.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.auth.callers import Caller
from api.http.answers import Answer, Date, Time, reader
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, document_problems, json_router
from api.service.runtime import Runtime
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm
from engine.errors import BusyError, NotEnoughDataError

FindingKind = Literal[
    "missing", "late", "duplicate", "unknown_code", "clock_skew", "stuck_field", "change_point"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityFindingView(Answer):
    """What deviates at a post from its own days before."""

    kind: FindingKind
    post: str
    field: str
    since: Date
    until: Date
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


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityWeek(Answer):
    """Rows and missing values of one field at one post in one week."""

    post: str
    field: str
    week: Date
    """Its Monday, UTC."""
    rows: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityAssessment(Answer):
    """One assessment of what a home knew at a time."""

    as_of: Time
    synthetic: bool
    findings: list[QualityFindingView]
    weeks: list[QualityWeek]


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityAnswer(Answer):
    """The last assessment that was kept; null before the first."""

    tables = ("assessed.findings", "assessed.weeks")
    assessed: QualityAssessment | None


def read_quality(service: Runtime, caller: Caller) -> QualityAnswer:
    """Return the last assessment; None if none was kept, or if another version wrote it."""
    try:
        found = reader(QualityAssessment).validate_json(service.home.quality.read_bytes())
    except (OSError, ValueError):
        return QualityAnswer(assessed=None)
    findings = [one for one in found.findings if caller.reaches(one.post)]
    weeks = [one for one in found.weeks if caller.reaches(one.post)]
    return QualityAnswer(assessed=replace(found, findings=findings, weeks=weeks))


router = json_router("/v1/quality", "models")


@router.get("", response_model=QualityAnswer)
def quality(caller: TheCaller, service: TheService) -> Response:
    """Return the last assessment of the posts that the caller reaches."""
    return answer(read_quality(service, caller))


@router.post("/assessments", response_model=QualityAnswer, responses=document_problems(409))
def assess(caller: TheCaller, service: TheService) -> Response:
    """Assess the data now, in a process of its own, and return it; nothing is recorded."""
    service.assessments.run()
    return answer(read_quality(service, caller))


page_router = APIRouter(prefix="/quality", route_class=PageRoute, include_in_schema=False)
SHOWN_WEEKS = 4
"""Weeks of which the page shows missing values; the files have all."""


@page_router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show the last assessment."""
    found = read_quality(service, visit.caller).assessed
    return visit.page(
        "quality.html",
        json_address="/v1/quality",
        found=found,
        findings=[] if found is None else _newest_first(found.findings),
        fields=[] if found is None else _sum_fields(found.weeks),
        weeks=SHOWN_WEEKS,
    )


@page_router.post("/assessments")
def ask_assessment(_visit: TheVisit, service: TheService, _form: TheForm) -> Response:
    """Assess the data now."""
    try:
        service.assessments.run()
    except (BusyError, NotEnoughDataError):
        return RedirectResponse("/quality?done=busy", 303)
    return RedirectResponse("/quality?done=assessed", 303)


def _newest_first(findings: Sequence[QualityFindingView]) -> list[QualityFindingView]:
    ordered = sorted(findings, key=lambda one: (one.post, one.kind, one.field))
    return sorted(ordered, key=lambda one: one.until, reverse=True)


def _sum_fields(weeks: Sequence[QualityWeek]) -> list[dict[str, Any]]:
    """Return rows and missing values of the last weeks, by post and field."""
    last = sorted({one.week for one in weeks})[-SHOWN_WEEKS:]
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in weeks:
        if one.week in last:
            total = sums[one.post, one.field]
            total[0] += one.rows
            total[1] += one.missing
    return [
        {"post": post, "field": field, "rows": rows, "missing": missing}
        for (post, field), (rows, missing) in sorted(sums.items())
    ]
