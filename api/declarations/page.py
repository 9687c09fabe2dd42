"""Page of the declarations that a post expects in the next hours."""

from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Response

from api.declarations.reads import SEE_RISK, read_expected
from api.http.dependencies import TheService
from api.web.page_route import PageRoute, TheVisit
from engine.domain.records import PostCode
from engine.domain.time_units import HOUR, moment, rfc3339

router = APIRouter(prefix="/declarations", route_class=PageRoute, include_in_schema=False)
MOST_SHOWN = 200
HOURS = (6, 12, 24, 72)
OVERDUE = 12 * HOUR
"""How long one that has not come stays on the page."""


@router.get("")
def show(
    visit: TheVisit,
    service: TheService,
    post: Annotated[PostCode | None, Query()] = None,
    hours: Annotated[Literal["6", "12", "24", "72"], Query()] = "12",
) -> Response:
    """Show what is expected in the next hours, and what is overdue."""
    with service.store.read() as snapshot:
        now = service.journal.now(snapshot)
    window = {"since": now - OVERDUE, "until": now + int(hours) * HOUR}
    found = read_expected(service, visit.caller, post, most=MOST_SHOWN, **window)
    asked = {name: rfc3339(value) for name, value in window.items()}
    asked |= {} if post is None else {"post": post}
    address = "&".join(f"{name}={quote(value, safe='')}" for name, value in asked.items())
    values: dict[str, Any] = {
        "expected": found["declarations"],
        "has_more": found["next_before"] is not None,
        "sees_risk": visit.caller.role in SEE_RISK,
        "now": moment(now),
        "at_post": post,
        "hours": hours,
        "choices": HOURS,
    }
    return visit.page("expected.html", json_address=f"/v1/declarations?{address}", **values)
