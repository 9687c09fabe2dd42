"""Links over HTTP and as pages: their state, and the door for parcels of the other side.

The door asks for no key: a parcel is signed by the other party of an approved agreement, or it is
refused before anything is written. Strangers do not know the name of a link, which is a digest of
its agreement; where the name is none, no body is read. Parcels are read one at a time.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from api.http.dependencies import CheckedRoute, TheCaller, TheService
from api.http.request_bodies import read_bounded
from api.http.responses import answer, document_problems, json_router
from api.links.answers import Links, LinkTraffic, describe_traffic, list_links_of
from api.service.executors import PARCELS
from api.service.runtime import Runtime
from api.service.structured_logging import log_event
from api.web.page_route import PageRoute, TheVisit
from engine.errors import NotFoundError
from engine.journal.power_records import read_records
from engine.links.area import LINK_PROPOSED

router = json_router("/v1/links", "links", 404)
door = APIRouter(prefix="/v1/links", tags=["links"], route_class=CheckedRoute)
LinkName = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
_PARCEL: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"type": "object"}}},
        "description": "A signed parcel: docs/journal-format.md, section Links.",
    }
}


@router.get("", response_model=Links)
def links(_: TheCaller, service: TheService) -> Response:
    """List the links: what is agreed, what waits, how late it is, and what stopped."""
    return answer(list_links_of(service))


@router.get("/{link}", response_model=LinkTraffic)
def link_traffic(_: TheCaller, service: TheService, link: LinkName) -> Response:
    """Return one link with its newest envelopes of each direction."""
    return answer(describe_traffic(service, link))


async def read_parcel_body(request: Request, service: TheService, link: LinkName) -> bytes:
    """Return the bytes of a parcel.

    Raises ``NotFoundError`` for an unknown link before anything is read, ``BodyTooLargeError``, and
    ``BusyError`` where too many parcels wait.
    """
    await service.executors.parcels.run(must_know_link, service, link)
    return await read_bounded(request, most=PARCELS.most_bytes)


def must_know_link(service: Runtime, link: str) -> None:
    """Raise ``NotFoundError`` for a link that was never proposed here."""
    if service.home.link_keys.exists():
        with service.store.read() as connection:
            if read_records(connection, (LINK_PROPOSED,), subject=link):
                return
    raise NotFoundError("link", link)


@door.post(
    "/{link}/parcels",
    openapi_extra=_PARCEL,
    responses=document_problems(404, 413, 422, 503),
)
async def take_parcel(
    service: TheService, link: LinkName, raw: Annotated[bytes, Depends(read_parcel_body)]
) -> Response:
    """Take a parcel of the other side and return the signed parcel that answers it."""
    answered = await service.executors.parcels.run(_answer_parcel, service, raw, link)
    return Response(answered, media_type="application/json")


def _answer_parcel(service: Runtime, raw: bytes, link: str) -> bytes:
    from api.links.exchanges import open_exchange
    from engine.links.parcel import read_parcel

    exchange = open_exchange(service.home, service.store, service.journal)
    answered, taken = exchange.answer(read_parcel(raw), name=link)
    service.posts.note_heard(link, taken.heard)
    if taken.foreign:
        log_foreign()
    return answered


def log_foreign() -> None:
    """Log that copied records were kept without effect; ``darvoza verify`` counts them."""
    why = "they name what is not of their installation"
    log_event("copies_without_effect", why=why)


pages = APIRouter(prefix="/links", route_class=PageRoute, include_in_schema=False)


@pages.get("")
def show_all(visit: TheVisit, service: TheService) -> Response:
    """Show every link."""
    found = list_links_of(service)
    return visit.page("links.html", json_address="/v1/links", found=found)


@pages.get("/{link}")
def show_one(visit: TheVisit, service: TheService, link: LinkName) -> Response:
    """Show one link with its newest envelopes."""
    found = describe_traffic(service, link)
    return visit.page("link.html", json_address=f"/v1/links/{link}", found=found)
