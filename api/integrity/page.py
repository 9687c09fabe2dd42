"""The page of a post's integrity report."""

from fastapi import APIRouter, Response

from api.integrity.reads import Days, TheService, report
from api.web.page_route import PageRoute, TheVisit, VisitedPost

router = APIRouter(prefix="/posts", route_class=PageRoute, include_in_schema=False)

PERIODS = (7, 30, 92)
"""Days that the page offers."""


@router.get("/{post}/integrity")
def show(visit: TheVisit, service: TheService, post: VisitedPost, days: Days = 30) -> Response:
    """Show pairs of officer and carrier, releases and overrides, against what chance gives."""
    from models.monitoring.officer_integrity import (
        FEWEST,  # scipy's company: not on the way of a service that starts
    )

    return visit.page(
        "integrity.html",
        post=post,
        json_address=f"/v1/posts/{post}/integrity?days={days}",
        found=report(service, post, days=days),
        periods=PERIODS,
        fewest=FEWEST,
    )
