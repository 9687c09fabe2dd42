"""Links over HTTP: their state, and the door for parcels of the other side.

The door asks for no key: a parcel is signed by the other party of an approved agreement, or it is
refused before anything is written.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response

from api.http.dependencies import TheCaller
from api.http.request_bodies import read_bounded
from api.http.responses import answer, document_problems, json_router
from api.links.reads import TheService, describe_traffic, list_links
from api.links.schemas import Links, LinkTraffic
from engine.errors import NotFoundError

router = json_router("/v1/links", "links", 404)
door = APIRouter(prefix="/v1/links", tags=["links"])
LinkName = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
LARGEST_PARCEL = 12 * 1024 * 1024
"""Bytes; that of :mod:`engine.links.parcel`, which a service without links does not import."""
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
    return answer(list_links(service.home, service.store, service.journal))


@router.get("/{link}", response_model=LinkTraffic)
def link_traffic(_: TheCaller, service: TheService, link: LinkName) -> Response:
    """Return one link with its newest envelopes of each direction."""
    return answer(describe_traffic(service, link))


async def read_parcel_body(request: Request) -> bytes:
    """Return the bytes of a parcel; raises ``BodyTooLargeError``."""
    return await read_bounded(request, most=LARGEST_PARCEL)


@door.post(
    "/{link}/parcels",
    openapi_extra=_PARCEL,
    responses=document_problems(404, 413, 422, 503),
)
def take_parcel(
    service: TheService, link: LinkName, raw: Annotated[bytes, Depends(read_parcel_body)]
) -> Response:
    """Take a parcel of the other side and return the signed parcel that answers it."""
    if not service.home.link_keys.exists():
        raise NotFoundError("link", link)
    from api.links.exchanges import open_exchange

    exchange = open_exchange(service.home, service.store, service.journal)
    return Response(exchange.answer_parcel(raw, name=link), media_type="application/json")
