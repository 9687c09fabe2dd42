"""Requests between partners over HTTP: ask, offer a case, answer, withdraw, follow."""

from typing import Annotated

from fastapi import Depends, Path, Response

from api.attentions.answers import (
    AcknowledgedRequest,
    Requests,
    RequestView,
    count_requests,
    find_request_file,
    list_requests_seen,
    read_request,
)
from api.attentions.steps import AttentionRequest, CaseRequest, RequestAnswer, TheWriter
from api.files.transfers import HANDED_OUT, Digest, seal_file
from api.http.dependencies import TheCaller, TheService
from api.http.request_bodies import TheOptionalReason, body_of
from api.http.responses import answer, creates, document_problems, json_router
from engine.domain.field_types import Identifier
from engine.domain.records import OptionalReason

router = json_router("/v1/attentions", "attentions", 404, 409, 413)
RequestId = Annotated[Identifier, Path()]


@router.get("", response_model=Requests)
def requests(caller: TheCaller, service: TheService) -> Response:
    """List attentions and offers of cases, of this side and of partners, 500 at most."""
    found = list_requests_seen(service, caller)
    return answer(Requests(found, count_requests(found)))


@router.post("", **creates(AcknowledgedRequest, body=AttentionRequest))
def ask(
    writer: TheWriter, asked: Annotated[AttentionRequest, Depends(body_of(AttentionRequest))]
) -> Response:
    """Ask a partner for attention to one identifier; the agreement decides what of it travels."""
    return answer(writer.ask(asked), 201)


@router.post("/cases", **creates(AcknowledgedRequest, body=CaseRequest))
def offer(
    writer: TheWriter, offered: Annotated[CaseRequest, Depends(body_of(CaseRequest))]
) -> Response:
    """Offer a partner a common case; it is theirs once they accept it."""
    return answer(writer.offer(offered), 201)


@router.get("/{request_id}", response_model=RequestView)
def request(caller: TheCaller, service: TheService, request_id: RequestId) -> Response:
    """Return one request."""
    return answer(read_request(service, request_id, caller))


@router.get(
    "/{request_id}/files/{digest}",
    response_class=Response,
    responses=HANDED_OUT | document_problems(404),
)
def request_file(
    caller: TheCaller, service: TheService, request_id: RequestId, digest: Digest
) -> Response:
    """Return a file of an offered case by the SHA-256 of its content; the reading is recorded."""
    return seal_file(find_request_file(service, caller, request_id, digest))


@router.post("/{request_id}/answers", **creates(AcknowledgedRequest, body=RequestAnswer))
def answer_request(
    writer: TheWriter,
    request_id: RequestId,
    answered: Annotated[RequestAnswer, Depends(body_of(RequestAnswer))],
) -> Response:
    """Accept, decline, report on or return a request of a partner."""
    return answer(writer.answer(request_id, answered), 201)


@router.post(
    "/{request_id}/withdrawals",
    **creates(AcknowledgedRequest, body=OptionalReason, is_owed=False),
)
def withdraw(
    writer: TheWriter,
    request_id: RequestId,
    withdrawn: TheOptionalReason,
) -> Response:
    """Withdraw a request of this side."""
    return answer(writer.withdraw(request_id, withdrawn), 201)
