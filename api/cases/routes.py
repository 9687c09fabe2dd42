"""Cases over HTTP: open, list, read, report what happens; their files and dossiers.

A file is sent as the body, whatever type its head states; its name is not asked for, because it may
hold a person's. What is handed out is for keeping: no browser shows it as a page of this site.
"""

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import Depends, Path, Query, Request, Response

from api.cases.answers import MOST, AcknowledgedCase, AcknowledgedFile, Cases, CaseView
from api.cases.dossier import make_dossier
from api.cases.readers import CaseFilter, describe_case, describe_cases
from api.cases.steps import AboutFile, TheFileWriter, TheWriter, find_file
from api.files.transfers import FILE_BODY, HANDED_OUT, SEALED, Digest, seal_file
from api.http.access import check_path
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import body_of, stream_bounded
from api.http.responses import answer, creates, document_problems, json_router
from api.web.templates_env import speech_of
from engine.cases.case_events import CaseEvent, CaseOpening, FileSubject
from engine.cases.case_state import Urgency
from engine.domain.field_types import Code, HandlingCode, Identifier, PostCode, Text, Time
from engine.files.content import LARGEST_FILE, PDF

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


file_router = json_router("/v1/cases", "cases", 404)
_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}}
}
Language = Annotated[Literal["en", "ru", "uz", "tg"] | None, Query()]


@file_router.post(
    "/{case_id}/files", **creates(AcknowledgedFile, 409, 413) | {"openapi_extra": FILE_BODY}
)
async def add_file(
    request: Request,
    writer: TheFileWriter,
    case_id: CaseId,
    shows: Annotated[FileSubject, Query()],
    sample: Annotated[Identifier | None, Query()] = None,
    description: Annotated[Text | None, Query(min_length=1)] = None,
    happened_at: Annotated[Time | None, Query()] = None,
    handling: Annotated[list[HandlingCode] | None, Query(max_length=3)] = None,
) -> Response:
    """Add a file to a case: the body is its content."""
    about = AboutFile(
        shows=shows,
        sample=sample,
        description=description,
        happened_at=happened_at,
        handling=tuple(handling or ()),
    )
    pieces = stream_bounded(request, LARGEST_FILE)
    return answer(await writer.receive(case_id, pieces, about), 201)


@file_router.get(
    "/{case_id}/files/{digest}",
    response_class=Response,
    responses=HANDED_OUT | document_problems(404),
)
def file(caller: TheCaller, service: TheService, case_id: CaseId, digest: Digest) -> Response:
    """Return a file of a case by the SHA-256 of its content; the reading is recorded."""
    return seal_file(find_file(service, caller, case_id, digest))


@file_router.get(
    "/{case_id}/dossier.pdf",
    response_class=Response,
    responses=_PDF | document_problems(404),
)
async def dossier(
    request: Request,
    caller: TheCaller,
    service: TheService,
    case_id: CaseId,
    language: Language = None,
) -> Response:
    """Return the dossier of a case, in this language or the reader's; the reading is recorded."""
    speech = speech_of(request)
    speech = replace(speech, code=language or speech.code)
    made = await service.executors.dossiers.run(make_dossier, service, caller, case_id, speech)
    named = {"Content-Disposition": f'attachment; filename="{case_id}.pdf"'}
    return Response(made, media_type=PDF, headers=dict(SEALED) | named)
