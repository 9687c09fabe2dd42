"""What a case is connected with, and the cases about some finds, as one caller may see them."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from sqlalchemy import Connection, select

from api.auth.callers import Caller
from api.cases.readers import must_see, sees_case
from api.cases.routes import CaseId
from api.entities.answers import CaseAbout
from api.entities.connections import ConnectionsView, Start, begin_with_crossings
from api.entities.looks import AskedPurpose, PagePurpose
from api.entities.passages import PassageReader
from api.entities.routes import (
    GRAPHML_ANSWER,
    AsOf,
    FindStart,
    begin_with_seizure,
    find_connections,
    render_connections,
    send_graphml,
)
from api.entities.search import ENTITY_ROUTE
from api.http.dependencies import TheCaller, TheService
from api.http.responses import answer, json_router
from api.web.page_route import PageRoute, TheVisit
from engine.cases.case_ledger import CASES, find_opened_from
from engine.cases.case_state import read_cases
from engine.domain.time_units import rfc3339
from engine.errors import ConflictError, NotFoundError
from engine.queue.corrections import read_stated_act

_C = CASES.c
_CASE = ("GET", "/v1/cases/{case_id}")
router = json_router("/v1/cases", "cases", 404)


def connect_case(
    caller: TheCaller,
    service: TheService,
    case_id: CaseId,
    purpose: AskedPurpose = "case",
    as_of: AsOf = "",
) -> ConnectionsView:
    """Find everything connected with the vehicles and parties of a case."""
    start = begin_with_case(case_id, caller)
    walker = caller.enter("GET", ENTITY_ROUTE)
    return find_connections(service, walker, start, purpose, as_of=as_of)


OfCase = Annotated[ConnectionsView, Depends(connect_case)]


@router.get("/{case_id}/connections", response_model=ConnectionsView)
def connections(found: OfCase) -> Response:
    """Return everything connected with the vehicles and parties of a case in two steps."""
    return answer(found)


@router.get("/{case_id}/connections.graphml", response_class=Response, responses=GRAPHML_ANSWER)
def connections_graphml(found: OfCase) -> Response:
    """Return the same as GraphML."""
    return send_graphml(found)


page_router = APIRouter(prefix="/cases", route_class=PageRoute, include_in_schema=False)


@page_router.get("/{case_id}/connections")
def show_connections(
    visit: TheVisit,
    service: TheService,
    case_id: CaseId,
    purpose: PagePurpose = "case",
    as_of: AsOf = "",
) -> Response:
    """Show everything connected with a case."""
    start = begin_with_case(case_id, visit.caller)
    walker = visit.caller.enter("GET", ENTITY_ROUTE)
    return render_connections(visit, service, start, purpose or "case", as_of=as_of, walker=walker)


def begin_with_case(case_id: str, caller: Caller) -> FindStart:
    """Return what begins with those who took part in the crossings of a case's finds and acts.

    It raises ``NotFoundError`` for a case that the caller does not see.
    """

    def find(reader: PassageReader) -> Start:
        links = must_see(reader.snapshot, caller, case_id).links()
        starts = []
        crossings: list[str] = []
        for of, name in links:
            try:
                if of == "seizure":
                    starts.append(begin_with_seizure(name)(reader))
                elif of == "act":
                    act = read_stated_act(reader.snapshot, name).body["inspection"]
                    crossings.append(act["crossing_id"])
                elif of == "vehicle":
                    crossings.append(name)
            except (NotFoundError, ConflictError):  # erased, withdrawn or hidden
                continue
        starts.append(begin_with_crossings(reader, "case", case_id, crossings))
        entities = dict.fromkeys(one for start in starts for one in start.entities)
        return Start("case", case_id, list(entities))

    return find


def list_cases_about(
    connection: Connection,
    caller: Caller,
    seizures: Sequence[str],
    numbers: Sequence[int],
    *,
    before: int,
) -> list[CaseAbout]:
    """Return the cases opened from finds or by records, before a time, that a caller sees.

    As a caller of the route that shows a case; each as open where it was closed later.
    """
    if not caller.may(*_CASE):
        return []
    reader = caller.enter(*_CASE)
    opened = select(_C.case_id).where(_C.seq.in_(numbers))
    names = {*find_opened_from(connection, seizures).values(), *connection.scalars(opened)}
    found = [
        CaseAbout(
            case_id=case.case_id,
            post=case.post,
            state="open" if case.is_open or case.changed_at >= before else "closed",
            summary=history.facts["summary"],
            opened_at=rfc3339(case.opened_at),
        )
        for history in read_cases(connection, sorted(names)).values()
        for case in (history.case,)
        if case.opened_at < before and sees_case(reader, case)
    ]
    return sorted(found, key=lambda one: one.opened_at, reverse=True)
