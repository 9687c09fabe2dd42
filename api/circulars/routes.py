"""Circulars over HTTP: write, list, read, end; their pictures."""

from typing import Annotated

from fastapi import Depends, Path, Request, Response

from api.circulars.answers import Circulars, RecordedCircular, list_circulars
from api.circulars.steps import TheCircularWriter, find_circular_file
from api.files.transfers import FILE_BODY, HANDED_OUT, Digest, seal_file
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import TheEmptyBody, TheReason, body_of, stream_bounded
from api.http.responses import answer, creates, document_problems, json_router
from engine.circulars.ledger import Circular
from engine.domain.field_types import Identifier
from engine.domain.records import NoContent, StatedReason
from engine.files.content import LARGEST_FILE

router = json_router("/v1/circulars", "circulars")
CircularId = Annotated[Identifier, Path()]


@router.get("", response_model=Circulars)
def circulars(caller: TheCaller, service: TheService) -> Response:
    """List the circulars that are for the caller; to writers, with who read each."""
    return answer(list_circulars(service, caller))


@router.post("", **creates(RecordedCircular, 404, 409, 413, body=Circular))
def issue(
    writer: TheCircularWriter, circular: Annotated[Circular, Depends(body_of(Circular))]
) -> Response:
    """Write a circular to posts; what looks like a person's name in it is a warning."""
    return answer(writer.issue(circular), 201)


@router.post(
    "/{circular_id}/files",
    **creates(RecordedCircular, 404, 409, 413) | {"openapi_extra": FILE_BODY},
)
async def add_circular_file(
    request: Request, writer: TheCircularWriter, circular_id: CircularId
) -> Response:
    """Add a picture to a circular: the body is its content."""
    pieces = stream_bounded(request, LARGEST_FILE)
    return answer(await writer.add_file(circular_id, pieces), 201)


@router.get(
    "/{circular_id}/files/{digest}",
    response_class=Response,
    responses=HANDED_OUT | document_problems(404),
)
def circular_file(
    caller: TheCaller, service: TheService, circular_id: CircularId, digest: Digest
) -> Response:
    """Return a picture of a circular by the SHA-256 of its content; the reading is recorded."""
    return seal_file(find_circular_file(service, caller, circular_id, digest))


@router.post(
    "/{circular_id}/readings",
    **creates(RecordedCircular, 404, 409, 413, body=NoContent, is_owed=False),
)
def read(
    writer: TheCircularWriter,
    circular_id: CircularId,
    _reading: TheEmptyBody,
) -> Response:
    """Say that the caller read a circular; the first time counts."""
    return answer(writer.read(circular_id), 201)


@router.post("/{circular_id}/ends", **creates(RecordedCircular, 404, 409, 413, body=StatedReason))
def end(
    writer: TheCircularWriter,
    circular_id: CircularId,
    ending: TheReason,
) -> Response:
    """Show a circular no longer."""
    return answer(writer.end(circular_id, ending), 201)
