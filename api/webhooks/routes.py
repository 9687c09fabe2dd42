"""Webhooks: signed events to other systems, by the Standard Webhooks specification."""

from typing import Annotated

from fastapi import Depends, Path, Response

from api.http.answers import Acknowledged
from api.http.dependencies import TheCaller, TheService, of_caller
from api.http.request_bodies import TheEmptyBody, body_of
from api.http.responses import answer, creates, document_problems, json_router, takes
from api.webhooks.answers import WebhookDetail, Webhooks, list_webhooks, read_webhook
from api.webhooks.steps import (
    RegisteredWebhook,
    RotatedWebhook,
    Rotation,
    WebhookRequest,
    WebhookWriter,
)
from api.webhooks.trial import WebhookTrial, send_test
from engine.domain.field_types import Identifier
from engine.domain.records import NoContent

router = json_router("/v1/webhooks", "webhooks")
WebhookId = Annotated[Identifier, Path()]


TheWriter = Annotated[WebhookWriter, of_caller(WebhookWriter)]


@router.get("", response_model=Webhooks)
def webhooks(caller: TheCaller, service: TheService) -> Response:
    """List the webhooks, the newest first."""
    return answer(list_webhooks(service, caller))


@router.post("", **creates(RegisteredWebhook, 409, 413, body=WebhookRequest))
def register(
    writer: TheWriter, wanted: Annotated[WebhookRequest, Depends(body_of(WebhookRequest))]
) -> Response:
    """Register a webhook; its secret is in this answer alone."""
    return answer(writer.register(wanted), 201)


@router.get("/{webhook_id}", response_model=WebhookDetail, responses=document_problems(404))
def webhook(caller: TheCaller, service: TheService, webhook_id: WebhookId) -> Response:
    """Return a webhook with what it has not acknowledged."""
    return answer(read_webhook(service, caller, webhook_id))


@router.post(
    "/{webhook_id}/rotations",
    **creates(RotatedWebhook, 404, 409, 413, body=Rotation, is_owed=False),
)
def rotate(
    writer: TheWriter,
    webhook_id: WebhookId,
    wanted: Annotated[Rotation, Depends(body_of(Rotation, is_owed=False))],
) -> Response:
    """Let a new secret sign; the one before signs too while the overlap lasts."""
    return answer(writer.rotate(webhook_id, wanted), 201)


@router.post(
    "/{webhook_id}/retries",
    **creates(Acknowledged, 404, 409, 413, body=NoContent, is_owed=False),
)
def resend(
    writer: TheWriter,
    webhook_id: WebhookId,
    _wanted: TheEmptyBody,
) -> Response:
    """Send all that waits or was set aside again; a disabled webhook is enabled."""
    return answer(writer.resend(webhook_id), 201)


@router.post(
    "/{webhook_id}/tests",
    response_model=WebhookTrial,
    responses=document_problems(404, 409, 413),
    openapi_extra=takes(NoContent, is_owed=False),
)
def test(
    caller: TheCaller,
    service: TheService,
    webhook_id: WebhookId,
    _wanted: TheEmptyBody,
) -> Response:
    """Send a signed test event now, with a sample of each event that the webhook asks for.

    It is not tried again; nothing is recorded.
    """
    return answer(send_test(service, caller, webhook_id))


@router.delete("/{webhook_id}", response_model=Acknowledged, responses=document_problems(404))
def end(writer: TheWriter, webhook_id: WebhookId) -> Response:
    """End a webhook: nothing more is sent, and what waits is forgotten."""
    return answer(writer.end(webhook_id))
