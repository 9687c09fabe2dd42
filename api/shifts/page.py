"""The shift's report: what each way of picking vehicles found, and what cannot be known yet."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from api.http.dependencies import running_service
from api.http.guards import check_path
from api.shifts.reads import ShiftService, read_now, report
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheVisitor
from engine.domain.records import PostCode, Time
from engine.domain.time_units import micros, rfc3339

TheService = Annotated[ShiftService, Depends(running_service)]

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ENOUGH = (13, 67)
"""Inspections that an interval of 25 points takes where none finds anything, and where half do."""


@router.get("/posts/{post}/shift")
async def show(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    post: Annotated[PostCode, Path()],
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Show the report of the shift that a time falls into, by default the running one."""
    check_path(service.network, visitor.caller, post)
    now = await asyncio.to_thread(read_now, service)
    asked = min(now, now if at is None else micros(at))
    found = await asyncio.to_thread(report, service, post, asked)
    shift = service.settings.shifts.shift(post, asked)
    return page(
        request,
        "shift.html",
        visitor=visitor,
        post=post,
        name=service.network.posts[post].name if post in service.network.posts else "",
        json_address=f"/v1/posts/{post}/shift?at={rfc3339(asked)}",
        report=found,
        periods=("this_shift", "last_28_days"),
        enough=ENOUGH,
        before=rfc3339(shift.opens_at - 1),
        after=None if found["is_running"] else rfc3339(shift.closes_at),
    )
