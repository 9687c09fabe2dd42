"""The page of a search, to which the field in the head of every page leads."""

from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Response

from api.http.dependencies import TheService
from api.search.reads import search
from api.search.routes import ReadOn, SearchText
from api.web.page_route import PageRoute, TheVisit
from engine.domain.identifiers import fold
from engine.queue.identifier_index import SHORTEST

router = APIRouter(prefix="/search", route_class=PageRoute, include_in_schema=False)
MOST_SHOWN = 50


@router.get("")
def show(
    visit: TheVisit, service: TheService, q: SearchText = "", before: ReadOn = None
) -> Response:
    """Show what a text finds, or what may be looked for."""
    values: dict[str, Any] = {"asked": q, "shortest": SHORTEST, "before": before, "result": None}
    if len(fold(q)) >= SHORTEST:
        found = search(service, visit.caller, q, before=before, most=MOST_SHOWN)
        values |= {"result": found, "json_address": f"/v1/search?{urlencode({'q': q})}"}
    return visit.page("search.html", **values)
