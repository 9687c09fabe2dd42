"""Quality of the data for people: what stands out, in sentences, and missing values by field."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.http.dependencies import TheService
from api.quality.reads import read_quality
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm
from engine.errors import BusyError, NotEnoughDataError

router = APIRouter(prefix="/quality", route_class=PageRoute, include_in_schema=False)
SHOWN_WEEKS = 4
"""Weeks of which the page shows missing values; the files have all."""


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show the last assessment."""
    found = read_quality(service, visit.caller)["assessed"]
    return visit.page(
        "quality.html",
        json_address="/v1/quality",
        found=found,
        findings=[] if found is None else _newest_first(found["findings"]),
        fields=[] if found is None else _sum_fields(found["weeks"]),
        weeks=SHOWN_WEEKS,
    )


@router.post("/assessments")
def assess(_visit: TheVisit, service: TheService, _form: TheForm) -> Response:
    """Assess the data now."""
    try:
        service.assessments.run()
    except (BusyError, NotEnoughDataError):
        return RedirectResponse("/quality?done=busy", 303)
    return RedirectResponse("/quality?done=assessed", 303)


def _newest_first(findings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    ordered = sorted(findings, key=lambda one: (one["post"], one["kind"], one["field"]))
    return sorted(ordered, key=lambda one: str(one["until"]), reverse=True)


def _sum_fields(weeks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return rows and missing values of the last weeks, by post and field."""
    last = sorted({str(one["week"]) for one in weeks})[-SHOWN_WEEKS:]
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in weeks:
        if one["week"] in last:
            total = sums[one["post"], one["field"]]
            total[0] += one["rows"]
            total[1] += one["missing"]
    return [
        {"post": post, "field": field, "rows": rows, "missing": missing}
        for (post, field), (rows, missing) in sorted(sums.items())
    ]
