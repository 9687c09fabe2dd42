"""Pages of the links: what was agreed, sent, asked and answered, and how late."""

from fastapi import APIRouter, Response

from api.http.dependencies import TheService
from api.links.answers import describe_traffic, list_links_of
from api.links.routes import LinkName
from api.web.page_route import PageRoute, TheVisit

router = APIRouter(prefix="/links", route_class=PageRoute, include_in_schema=False)


@router.get("")
def show_all(visit: TheVisit, service: TheService) -> Response:
    """Show every link."""
    found = list_links_of(service)
    return visit.page("links.html", json_address="/v1/links", found=found)


@router.get("/{link}")
def show_one(visit: TheVisit, service: TheService, link: LinkName) -> Response:
    """Show one link with its newest envelopes."""
    found = describe_traffic(service, link)
    return visit.page("link.html", json_address=f"/v1/links/{link}", found=found)
