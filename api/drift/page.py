"""Drift for people: what has moved, whether searches still find, and what to do about it."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from api.drift.reads import DriftAsked, DriftService, measure, read_drift
from api.http.dependencies import running_service
from api.web import charts
from api.web.page_route import PageRoute
from api.web.templates_env import page
from api.web.visitor import TheForm, TheVisitor
from engine.errors import BusyError, NotEnoughDataError

TheService = Annotated[DriftService, Depends(running_service)]

router = APIRouter(prefix="/drift", route_class=PageRoute, include_in_schema=False)


@router.get("")
async def show(
    request: Request,
    service: TheService,
    visitor: TheVisitor,
    at: Annotated[str, Query(max_length=16)] = "",
) -> Response:
    """Show the last measurement, over all posts or at one."""
    found = await asyncio.to_thread(read_drift, service)
    measurement = found["measured"]
    known = measurement is not None and at in measurement["posts"]
    return page(
        request,
        "drift.html",
        visitor=visitor,
        json_address="/v1/drift",
        found=found,
        measurement=measurement,
        at=at if known else "",
        part=None
        if measurement is None
        else measurement["posts"][at]
        if known
        else measurement["all"],
        reach=charts.reach,
        side=charts.SIDE,
        done=request.query_params.get("done", ""),
    )


@router.post("")
async def measure_again(service: TheService, visitor: TheVisitor, _form: TheForm) -> Response:
    """Measure again."""
    try:
        await asyncio.to_thread(measure, service, visitor.caller, DriftAsked())
    except (BusyError, NotEnoughDataError):
        return RedirectResponse("/drift?done=busy", 303)
    return RedirectResponse("/drift?done=measured", 303)
