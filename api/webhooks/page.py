"""Webhooks for administrators: where events go, what did not arrive, and a form for a new one."""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import APIRouter, Response
from fastapi.responses import RedirectResponse

from api.auth.agencies import list_agencies
from api.http.dependencies import TheService
from api.notifications.event_bodies import types_for
from api.service.runtime import Runtime
from api.web.forms import FieldMistake, FormError, FormReader, TheReader, list_mistakes
from api.web.page_route import PageRoute, TheVisit, Visit
from api.web.visitor import Form, TheForm
from api.webhooks.answers import list_webhooks, read_webhook
from api.webhooks.routes import WebhookId
from api.webhooks.steps import (
    RegisteredWebhook,
    RotatedWebhook,
    Rotation,
    WebhookRequest,
    WebhookWriter,
)
from api.webhooks.trial import SAMPLES, WebhookTrial, send_test
from engine.domain.rights import Role
from engine.errors import RecordError
from engine.journal.areas import EVENT_TYPES

router = APIRouter(prefix="/webhooks", route_class=PageRoute, include_in_schema=False)
VIEWS = tuple(role for role in Role if types_for(role))
"""Roles whose view an endpoint may have."""


@router.get("")
def show(visit: TheVisit, service: TheService) -> Response:
    """Show every webhook."""
    return _page(visit, service, kept={})


@router.post("")
def register(visit: TheVisit, service: TheService, form: TheForm, reader: TheReader) -> Response:
    """Register a webhook, and show its secret once."""
    try:
        made = _register(visit, service, reader)
    except (FormError, RecordError) as error:
        return _page(visit, service, kept=form, wrong=list_mistakes(error))
    return _page(visit, service, kept={}, shown=made)


@router.get("/{webhook_id}")
def show_one(visit: TheVisit, service: TheService, webhook_id: WebhookId) -> Response:
    """Show what one webhook has not acknowledged."""
    return _detail(visit, service, webhook_id)


@router.post("/{webhook_id}/rotations")
def rotate(
    visit: TheVisit, service: TheService, reader: TheReader, webhook_id: WebhookId
) -> Response:
    """Let a new secret sign, and show it once."""
    once = reader.once()
    if reader.mistakes:
        raise FormError(*reader.mistakes)
    made = WebhookWriter(service, visit.caller, once).rotate(webhook_id, Rotation())
    return _detail(visit, service, webhook_id, shown=made)


@router.post("/{webhook_id}/retries")
def resend(visit: TheVisit, service: TheService, _form: TheForm, webhook_id: WebhookId) -> Response:
    """Send all that waits again."""
    WebhookWriter(service, visit.caller).resend(webhook_id)
    return RedirectResponse(f"/webhooks/{webhook_id}?done=resent", 303)


@router.post("/{webhook_id}/tests")
def test(visit: TheVisit, service: TheService, _form: TheForm, webhook_id: WebhookId) -> Response:
    """Send a test event, and show what the receiver answered."""
    trial = send_test(service, visit.caller, webhook_id)
    return _detail(visit, service, webhook_id, trial=trial)


@router.post("/{webhook_id}/ends")
def end(visit: TheVisit, service: TheService, _form: TheForm, webhook_id: WebhookId) -> Response:
    """End a webhook."""
    WebhookWriter(service, visit.caller).end(webhook_id)
    return RedirectResponse("/webhooks?done=ended", 303)


def _register(visit: Visit, service: Runtime, reader: FormReader) -> RegisteredWebhook:
    fields: dict[str, Any] = reader.texts("url", "role", "post", "agency", "language")
    once = reader.once()
    made = reader.record(WebhookRequest, fields | {"events": reader.every("events")})
    return WebhookWriter(service, visit.caller, once).register(reader.finish(made))


def _page(
    visit: Visit,
    service: Runtime,
    *,
    kept: Form,
    wrong: Sequence[FieldMistake] = (),
    shown: RegisteredWebhook | None = None,
) -> Response:
    return visit.form_page(
        "webhooks.html",
        json_address="/v1/webhooks",
        webhooks=list_webhooks(service, visit.caller).webhooks,
        types=EVENT_TYPES,
        samples={code: _write_json(SAMPLES[code]) for code in EVENT_TYPES},
        views=VIEWS,
        has_mail=bool(service.settings.smtp_host),
        posts=[code for code in service.network.posts if visit.caller.reaches(code)],
        agencies=list_agencies(service.network),
        kept=kept,
        wrong=wrong,
        shown=shown,
    )


def _detail(
    visit: Visit,
    service: Runtime,
    webhook_id: str,
    *,
    shown: RotatedWebhook | None = None,
    trial: WebhookTrial | None = None,
) -> Response:
    return visit.page(
        "webhook.html",
        json_address=f"/v1/webhooks/{webhook_id}",
        webhook=read_webhook(service, visit.caller, webhook_id),
        once=secrets.token_hex(12),
        shown=shown,
        trial=trial,
        body=trial and _write_json(trial.body),
    )


def _write_json(body: Mapping[str, Any]) -> str:
    return orjson.dumps(body, option=orjson.OPT_INDENT_2).decode()
