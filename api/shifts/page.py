"""The shift's report: what each way of picking vehicles found, and what cannot be known yet."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from api.http.dependencies import RunningService
from api.http.guards import check_path
from api.shifts.reads import report
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheVisitor
from engine.domain.records import PostCode, Time
from engine.domain.time_units import micros, rfc3339

router = APIRouter(route_class=PageRoute, include_in_schema=False)

ENOUGH = (13, 67)
"""Inspections that an interval of 25 points takes where none finds anything, and where half do."""


@router.get("/posts/{post}/shift")
async def show(
    request: Request,
    runtime: RunningService,
    visitor: TheVisitor,
    post: Annotated[PostCode, Path()],
    at: Annotated[Time | None, Query()] = None,
) -> Response:
    """Show the report of the shift that a time falls into, by default the running one."""
    check_path(runtime, visitor.caller, post)
    now = await asyncio.to_thread(runtime.now)
    asked = min(now, now if at is None else micros(at))
    found = await asyncio.to_thread(report, runtime, post, asked)
    shift = runtime.settings.shifts.shift(post, asked)
    return page(
        request,
        "shift.html",
        visitor=visitor,
        post=post,
        name=runtime.network.posts[post].name if post in runtime.network.posts else "",
        json_address=f"/v1/posts/{post}/shift?at={rfc3339(asked)}",
        report=found,
        periods=("this_shift", "last_28_days"),
        enough=ENOUGH,
        before=rfc3339(shift.opens_at - 1),
        after=None if found["is_running"] else rfc3339(shift.closes_at),
    )
