"""The shift's report: what each way of picking vehicles found, and what cannot be known yet."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from api.http.dependencies import TheService
from api.shifts.reads import read_now, report
from api.web.page_route import PageRoute, TheVisit, VisitedPost
from engine.domain.records import Time
from engine.domain.time_units import micros, rfc3339
from engine.shifts.rosters import has_scanner

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ENOUGH = (13, 67)
"""Inspections that an interval of 25 points takes where none finds anything, and where half do."""


@router.get("/posts/{post}/shift")
def show(
    visit: TheVisit,
    service: TheService,
    post: VisitedPost,
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Show the report of the shift that a time falls into, by default the running one."""
    now = read_now(service)
    asked = min(now, now if at is None else micros(at))
    found = report(service, post, asked, visit.caller)
    with service.store.read() as snapshot:
        is_scanning = has_scanner(snapshot, post, service.network)
        line = service.posts.read_lines(snapshot, now=now).get(post)
    shift = service.settings.shifts_of(service.network).shift(post, asked)
    return visit.page(
        "shift.html",
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/shift?at={rfc3339(asked)}",
        report=found,
        line=line,
        at=rfc3339(asked),
        has_scanner=is_scanning,
        periods=("this_shift", "last_28_days"),
        enough=ENOUGH,
        before=rfc3339(shift.opens_at - 1),
        after=None if found["is_running"] else rfc3339(shift.closes_at),
    )
