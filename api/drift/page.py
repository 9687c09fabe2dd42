"""Drift for people: what has moved, whether searches still find, and what to do about it."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import RedirectResponse

from api.drift.reads import DriftAsked, measure, read_drift
from api.http.dependencies import TheService
from api.web import charts
from api.web.page_route import PageRoute, TheVisit
from api.web.visitor import TheForm
from engine.errors import BusyError, NotEnoughDataError

router = APIRouter(prefix="/drift", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show(
    visit: TheVisit, service: TheService, at: Annotated[str, Query(max_length=16)] = ""
) -> Response:
    """Show the last measurement, over all posts or at one."""
    found = read_drift(service)
    measurement = found["measured"]
    posts = {} if measurement is None else measurement["posts"]
    return visit.page(
        "drift.html",
        json_address="/v1/drift",
        found=found,
        measurement=measurement,
        at=at if at in posts else "",
        part=posts.get(at, measurement and measurement["all"]),
        reach=charts.reach,
        side=charts.SIDE,
    )


@router.post("")
def measure_again(visit: TheVisit, service: TheService, _form: TheForm) -> Response:
    """Measure again."""
    try:
        measure(service, visit.caller, DriftAsked())
    except (BusyError, NotEnoughDataError):
        return RedirectResponse("/drift?done=busy", 303)
    return RedirectResponse("/drift?done=measured", 303)
