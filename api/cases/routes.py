"""Cases over HTTP: open, list, read, report what happens."""

from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Response

from api.cases.reads import MOST, CaseFilter, describe_case, describe_cases
from api.cases.schemas import AcknowledgedCase, Cases, CaseView
from api.cases.steps import TheWriter
from api.http.dependencies import TheCaller, TheService
from api.http.guards import check_path
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, json_router
from engine.cases.case_events import CaseEvent, CaseOpening
from engine.cases.case_progress import Urgency
from engine.domain.records import Code, Identifier, PostCode

router = json_router("/v1/cases", "cases", 404)
CaseId = Annotated[Identifier, Path()]
Before = Annotated[int | None, Query(ge=1, lt=1 << 63)]
State = Annotated[Literal["open", "closed"] | None, Query()]


@router.get("", response_model=Cases)
def cases(
    caller: TheCaller,
    service: TheService,
    state: State = None,
    post: Annotated[PostCode | None, Query()] = None,
    owner: Annotated[Identifier | None, Query()] = None,
    agency: Annotated[Code | None, Query()] = None,
    urgency: Annotated[Urgency | None, Query()] = None,
    before: Before = None,
    limit: Annotated[int, Query(ge=1, le=MOST)] = 100,
) -> Response:
    """List cases, the newest first.

    ``before`` reads on: the ``next_before`` of the answer before. A page may have fewer cases than
    ``limit`` while there are others to read on to.
    """
    if post is not None:
        check_path(service.network, caller, post)
    wanted = CaseFilter(state, post, owner, agency, urgency)
    return answer(describe_cases(service, caller, wanted, before=before, most=limit))


@router.post("", **creates(AcknowledgedCase, 409, 413, body=CaseOpening))
def open_case(
    writer: TheWriter, opening: Annotated[CaseOpening, Depends(body_of(CaseOpening))]
) -> Response:
    """Open a case; what looks like a person's name in it is answered as a warning."""
    return answer(writer.open(opening), 201)


@router.get("/{case_id}", response_model=CaseView)
def case(caller: TheCaller, service: TheService, case_id: CaseId) -> Response:
    """Return a case with its finds, in the form of seizure databases, and its events."""
    return answer(describe_case(service, caller, case_id))


@router.post("/{case_id}/events", **creates(AcknowledgedCase, 409, 413, body=CaseEvent))
def add_event(
    writer: TheWriter,
    case_id: CaseId,
    event: Annotated[CaseEvent, Depends(body_of(CaseEvent))],
) -> Response:
    """Record an event of a case."""
    return answer(writer.add(case_id, event), 201)
