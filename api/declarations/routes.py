"""Declarations ahead of their vehicles: lodge, amend, cancel, and read what is expected."""

from typing import Annotated, Literal

from fastapi import Depends, Path, Query, Request, Response

from api.declarations.reads import DeclarationReader, read_expected
from api.declarations.schemas import (
    AcknowledgedDeclaration,
    DeclarationView,
    ExpectedDeclarations,
)
from api.declarations.steps import cancel, lodge
from api.http.body_formats import find_formats
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.http.request_bodies import body_of
from api.http.responses import answer, creates, document_problems, json_router
from engine.domain.advance_declarations import AdvanceDeclaration, Cancellation
from engine.domain.records import Identifier, PostCode, Time
from engine.domain.time_units import micros

FORMATS = find_formats()
router = json_router("/v1/declarations", "declarations")
MOST_LISTED = 500
DeclarationId = Annotated[Identifier, Path()]


@router.post(
    "",
    **FORMATS.document_advance(creates(AcknowledgedDeclaration, 409, 413, body=AdvanceDeclaration)),
)
def lodge_declaration(
    request: Request,
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    lodged: Annotated[AdvanceDeclaration, Depends(FORMATS.read_advance)],
) -> Response:
    """Lodge a declaration ahead of its vehicle; another content under its number is a new version.

    Only its sender may change it.
    """
    return FORMATS.answer(request, lodge(service, caller, lodged, key), lodged.declaration)


@router.get("", response_model=ExpectedDeclarations)
def declarations(
    caller: TheCaller,
    service: TheService,
    post: Annotated[PostCode | None, Query()] = None,
    since: Annotated[Time | None, Query()] = None,
    until: Annotated[Time | None, Query()] = None,
    state: Annotated[Literal["expected", "all"], Query()] = "expected",
    before: Annotated[int | None, Query(ge=1, lt=1 << 63)] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
) -> Response:
    """List what is expected, the first first; ``since`` and ``until`` bound when it is due.

    ``before`` reads on: the ``next_before`` of the answer before. ``state=all`` has those that
    came, expired or were cancelled, too.
    """
    found = read_expected(
        service,
        caller,
        post,
        most=limit,
        since=None if since is None else micros(since),
        until=None if until is None else micros(until),
        is_expected=state == "expected",
        after=before,
    )
    return answer(found)


# an identifier may hold a slash, which comes as one from %2F
@router.post(
    "/{declaration_id:path}/cancellations",
    **creates(AcknowledgedDeclaration, 404, 409, 413, body=Cancellation, is_owed=False),
)
def cancel_declaration(
    caller: TheCaller,
    service: TheService,
    key: IdempotencyKey,
    declaration_id: DeclarationId,
    cancellation: Annotated[Cancellation, Depends(body_of(Cancellation, is_owed=False))],
) -> Response:
    """Withdraw a declaration for good; a vehicle that comes is not matched with it."""
    return answer(cancel(service, caller, declaration_id, cancellation, key), 201)


@router.get(
    "/{declaration_id:path}", response_model=DeclarationView, responses=document_problems(404)
)
def declaration(caller: TheCaller, service: TheService, declaration_id: DeclarationId) -> Response:
    """Return one declaration with its versions, as its reader may see it."""
    with service.store.read() as snapshot:
        return answer(DeclarationReader(service, caller, snapshot).read_declaration(declaration_id))
