"""The manual of the pages, and the page of the JSON interface: both are served without a network.

The interface is open to everybody, as ``/openapi.json`` is, and both say the same.
"""

from typing import Any

from fastapi import APIRouter, Request, Response

from api.web.page_help import HELP
from api.web.page_route import PageRoute, TheVisit
from api.web.templates_env import page

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/help")
def show_manual(visit: TheVisit) -> Response:
    """Show the manual for officers, with a part for those who may see the risk."""
    return visit.page("help.html", page_help=HELP)


@router.get("/docs")
def show_interface(request: Request) -> Response:
    """Show every route and body of the OpenAPI document."""
    document: dict[str, Any] = request.app.openapi()
    calls = [
        {"path": path, "method": method, "operation": one, "tag": one["tags"][0]}
        for path, methods in document["paths"].items()
        for method, one in methods.items()
    ]
    refusals = {
        status: answer["description"]
        for call in calls
        for status, answer in call["operation"]["responses"].items()
        if status >= "400"
    }
    return page(
        request,
        "interface.html",
        visitor=None,
        document=document,
        calls=calls,
        refusals=refusals,
    )
