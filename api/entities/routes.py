"""A vehicle or a party over HTTP and as a page, and what it is connected with.

Every request says its purpose, which is recorded with what was shown; a page asks for it first.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Path, Query, Response

from api.auth.callers import Caller
from api.entities.answers import (
    MOST_LISTED,
    AskedPage,
    EntityView,
    describe_entity,
    read_time,
)
from api.entities.connections import (
    ConnectionsView,
    Start,
    begin_with_crossings,
    describe_connections,
    draw_company,
    draw_connections,
    write_graphml,
)
from api.entities.looks import PURPOSES, AskedPurpose, PagePurpose, Purpose
from api.entities.passages import Entity, EntityKind, PassageReader
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, document_problems, json_router
from api.service.runtime import Runtime
from api.web.page_route import PageRoute, TheVisit, Visit
from engine.domain.field_types import Identifier
from engine.domain.rights import Matter
from engine.errors import ConflictError, NotFoundError
from engine.queue.corrections import read_stated_seizure

router = json_router("/v1/entities", "entities", 404)
seizure_router = json_router("/v1/seizures", "entities", 404)
GRAPHML = "application/graphml+xml"
_FILE: dict[int | str, dict[str, Any]] = {
    200: {"content": {GRAPHML: {"schema": {"type": "string"}}}}
}
GRAPHML_ANSWER = _FILE | document_problems(404)
Kind = Annotated[EntityKind, Path()]
Value = Annotated[Identifier, Path()]
AsOf = Annotated[str, Query(max_length=100)]
"""The number of a decision, or a time with its zone; now where it is empty."""
ReadOn = Annotated[int | None, Query(ge=1, lt=1 << 62)]
FindStart = Callable[[PassageReader], Start]


@router.get("/{kind}/{value}", response_model=EntityView)
def entity(
    caller: TheCaller,
    service: TheService,
    kind: Kind,
    value: Value,
    purpose: AskedPurpose,
    as_of: AsOf = "",
    before: ReadOn = None,
    limit: Annotated[int, Query(ge=1, le=500)] = MOST_LISTED,
) -> Response:
    """Return what is known of a vehicle or a party, as of now, a decision or a time.

    ``before`` reads on in its passages: the ``next_before`` of the answer before. A page has about
    200 passages at most.
    """
    page = AskedPage(before, limit)
    found = describe_entity(service, caller, Entity(kind, value), purpose, as_of=as_of, page=page)
    return answer(found)


def connect_entity(
    caller: TheCaller,
    service: TheService,
    kind: Kind,
    value: Value,
    purpose: AskedPurpose,
    as_of: AsOf = "",
) -> ConnectionsView:
    """Find everything connected with a vehicle or a party."""
    start = begin_with_entity(Entity(kind, value))
    return find_connections(service, caller, start, purpose, as_of=as_of)


OfEntity = Annotated[ConnectionsView, Depends(connect_entity)]


@router.get("/{kind}/{value}/connections", response_model=ConnectionsView)
def connections(found: OfEntity) -> Response:
    """Return everything connected with a vehicle or a party in two steps."""
    return answer(found)


@router.get(
    "/{kind}/{value}/connections.graphml", response_class=Response, responses=GRAPHML_ANSWER
)
def connections_graphml(found: OfEntity) -> Response:
    """Return the same as GraphML."""
    return send_graphml(found)


SeizureId = Annotated[Identifier, Path()]


def connect_seizure(
    caller: TheCaller,
    service: TheService,
    seizure_id: SeizureId,
    purpose: AskedPurpose,
    as_of: AsOf = "",
) -> ConnectionsView:
    """Find everything connected with the vehicle and parties of a find."""
    start = begin_with_seizure(seizure_id)
    return find_connections(service, caller, start, purpose, as_of=as_of)


OfSeizure = Annotated[ConnectionsView, Depends(connect_seizure)]


@seizure_router.get("/{seizure_id}/connections", response_model=ConnectionsView)
def seizure_connections(found: OfSeizure) -> Response:
    """Return everything connected with the vehicle and parties of a find in two steps."""
    return answer(found)


@seizure_router.get(
    "/{seizure_id}/connections.graphml", response_class=Response, responses=GRAPHML_ANSWER
)
def seizure_connections_graphml(found: OfSeizure) -> Response:
    """Return the same as GraphML."""
    return send_graphml(found)


def begin_with_entity(entity: Entity) -> FindStart:
    """Return what begins with a vehicle or a party."""
    return lambda _reader: Start("entity", entity.value, [entity])


def begin_with_seizure(seizure_id: str) -> FindStart:
    """Return what begins with those who took part in the crossing of a find.

    It raises ``NotFoundError`` for a find that the caller does not see.
    """

    def find(reader: PassageReader) -> Start:
        try:
            stated = read_stated_seizure(reader.snapshot, seizure_id)
        except ConflictError:
            raise NotFoundError("seizure", seizure_id) from None
        caller, seizure = reader.caller, stated.body["seizure"]
        if not caller.sees(Matter.SEIZURES, seizure.get("agency")) or not (
            stated.post == "" or caller.sees_post(stated.post)
        ):
            raise NotFoundError("seizure", seizure_id)
        crossing_id = stated.body["linked_crossing_id"]
        crossings = [] if crossing_id is None else [crossing_id]
        start = begin_with_crossings(reader, "seizure", seizure_id, crossings)
        if not start.entities and seizure.get("plate"):
            return Start("seizure", seizure_id, [Entity("plate", seizure["plate"])])
        return start

    return find


def find_connections(
    service: Runtime, caller: Caller, find_start: FindStart, purpose: Purpose, *, as_of: str
) -> ConnectionsView:
    """Return what a start is connected with, as of now, a decision or a time."""
    with service.store.read() as snapshot:
        at = read_time(service, snapshot, caller, as_of)
        reader = PassageReader(service, snapshot, caller, at.before)
        return describe_connections(service, reader, find_start(reader), at, purpose)


def send_graphml(found: ConnectionsView) -> Response:
    """Return connections as a file of GraphML."""
    named = {"Content-Disposition": 'attachment; filename="connections.graphml"'}
    return Response(write_graphml(found), media_type=GRAPHML, headers=named)


page_router = APIRouter(prefix="/entities", route_class=PageRoute, include_in_schema=False)
seizure_page_router = APIRouter(
    prefix="/seizures", route_class=PageRoute, include_in_schema=False
)  # fmt: skip


@page_router.get("/{kind}/{value}")
def show(
    visit: TheVisit,
    service: TheService,
    kind: Kind,
    value: Value,
    purpose: PagePurpose = "",
    as_of: AsOf = "",
    before: ReadOn = None,
) -> Response:
    """Show what is known of a vehicle or a party."""
    if not purpose:
        return ask_purpose(visit, kind=kind, value=value, as_of=as_of)
    page = AskedPage(before)
    found = describe_entity(
        service, visit.caller, Entity(kind, value), purpose, as_of=as_of, page=page
    )
    query = urlencode({"purpose": purpose} | ({"as_of": as_of} if as_of else {}))
    address = f"{visit.request.url.path}?{query}"
    return visit.page(
        "entity.html",
        found=found,
        drawing=draw_company(found),
        before=before,
        query=query,
        address=address,
        json_address=f"/v1{address}",
    )


def ask_purpose(visit: Visit, *, kind: str = "", value: str, as_of: str) -> Response:
    """Show the form that asks why somebody looks."""
    return visit.page("look_purpose.html", purposes=PURPOSES, kind=kind, value=value, as_of=as_of)


@page_router.get("/{kind}/{value}/connections")
def show_connections(
    visit: TheVisit,
    service: TheService,
    kind: Kind,
    value: Value,
    purpose: PagePurpose = "",
    as_of: AsOf = "",
) -> Response:
    """Show everything connected with a vehicle or a party."""
    start = begin_with_entity(Entity(kind, value))
    return render_connections(visit, service, start, purpose, as_of=as_of)


@seizure_page_router.get("/{seizure_id}/connections")
def show_seizure_connections(
    visit: TheVisit,
    service: TheService,
    seizure_id: SeizureId,
    purpose: PagePurpose = "",
    as_of: AsOf = "",
) -> Response:
    """Show everything connected with a find."""
    return render_connections(visit, service, begin_with_seizure(seizure_id), purpose, as_of=as_of)


def render_connections(
    visit: Visit,
    service: Runtime,
    start: FindStart,
    purpose: Purpose | Literal[""],
    *,
    as_of: str,
    walker: Caller | None = None,
) -> Response:
    """Return the page of connections, or the one that asks for the purpose.

    ``walker`` reads the passages, where the route of the page is about another matter.
    """
    if not purpose:
        name = next(reversed(visit.request.path_params.values()), "")
        return ask_purpose(visit, value=name, as_of=as_of)
    found = find_connections(service, walker or visit.caller, start, purpose, as_of=as_of)
    query = urlencode({"purpose": purpose} | ({"as_of": as_of} if as_of else {}))
    address = f"/v1{visit.request.url.path}"
    return visit.page(
        "connections.html",
        found=found,
        drawing=draw_connections(found),
        query=query,
        graphml=f"{address}.graphml?{query}",
        json_address=f"{address}?{query}",
    )
