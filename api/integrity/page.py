"""The page of a post's integrity report."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from api.http.dependencies import TheService
from api.integrity.reads import Days, report
from api.web.page_route import PageRoute, TheVisit, VisitedPost
from engine.domain.records import Code

router = APIRouter(prefix="/posts", route_class=PageRoute, include_in_schema=False)

PERIODS = (7, 30, 92)
"""Days that the page offers."""


@router.get("/{post}/integrity")
def show(
    visit: TheVisit,
    service: TheService,
    post: VisitedPost,
    days: Days = 30,
    agency: Annotated[Code | Literal[""], Query()] = "",
) -> Response:
    """Show pairs of officer and carrier, releases and overrides, against what chance gives."""
    from models.monitoring.officer_integrity import (
        FEWEST,  # scipy's company: not on the way of a service that starts
    )

    known = service.network.posts[post].agencies if post in service.network.posts else ()
    asked = f"&agency={agency}" if agency else ""
    return visit.page(
        "integrity.html",
        post=post,
        json_address=f"/v1/posts/{post}/integrity?days={days}{asked}",
        found=report(service, post, visit.caller, days=days, agency=agency or None),
        agencies=sorted(code for code in known if visit.caller.covers(code)),
        periods=PERIODS,
        fewest=FEWEST,
    )
