"""The overview of all posts, for people: every picture has its table, and its file."""

from fastapi import APIRouter, Response

from api.http.dependencies import TheService
from api.network.drawings import draw_hours, draw_map, draw_places, draw_weeks
from api.network.reads import overview
from api.web.page_route import PageRoute, TheVisit

router = APIRouter(route_class=PageRoute, include_in_schema=False)
STATES = ("open", "full", "cut_off", "no_data")


@router.get("/network")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show all posts: where they stand, and what the last weeks found."""
    found = overview(service, visit.caller)
    weeks, top = draw_weeks(found["weeks"])
    days = visit.speech.locale.days["stand-alone"]["abbreviated"]
    return visit.page(
        "network.html",
        json_address="/v1/network",
        overview=found,
        map=draw_map(found["posts"]),
        narrow_map=draw_map(found["posts"], is_narrow=True),
        states=STATES,
        weeks=weeks,
        top=top,
        mondays=sorted({row["week"] for row in found["weeks"]}),
        week_rows=[row for row in found["weeks"] if row["inspected"]],
        hours=draw_hours(found["hours"]),
        days=[days[number] for number in range(7)],
        places=draw_places(found["places"]),
    )
