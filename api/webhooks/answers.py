"""Webhooks and what they have not acknowledged yet, for one administrator."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends
from sqlalchemy import Connection

from api.auth.callers import Caller
from api.http.answers import AnswerSchema
from api.http.dependencies import IdempotencyKey, TheCaller, TheService
from api.service.runtime import Runtime
from api.webhooks.steps import WebhookWriter, event_id, find_endpoint, is_reached
from engine.domain.rights import Role
from engine.domain.time_units import rfc3339
from engine.events.webhooks import (
    DeliveryFigures,
    Endpoint,
    EndpointHistory,
    EndpointState,
    list_deliveries,
    read_figures,
)
from engine.journal.areas import EventType
from engine.journal.receipts import Receipt


class WebhookView(AnswerSchema):
    """A webhook, and how its deliveries fare."""

    webhook_id: str
    url: str
    events: list[EventType]
    role: Role
    """The role whose view bounds what a body holds."""
    post: str | None
    agency: str | None
    by: str
    """The administrator who registered it."""
    registered_at: datetime
    state: EndpointState
    since: datetime
    why: str
    """Of a disabled one: ``gone`` (it answered 410) or ``failing`` (nothing arrived for days)."""
    signing_secrets: int
    """Two while a rotation's overlap lasts."""
    waiting: int
    dead_letters: int
    oldest_at: datetime | None
    """When the oldest event happened that waits."""
    failing_since: datetime | None


class Webhooks(AnswerSchema):
    """Webhooks, the newest first, ended ones included."""

    tables = ("webhooks",)
    webhooks: list[WebhookView]


class WebhookDelivery(AnswerSchema):
    """An event that a receiver has not acknowledged."""

    event_id: str
    """``webhook-id``, the same with every attempt."""
    type: EventType
    happened_at: datetime
    attempts: int
    next_at: datetime | None
    result: str
    """Status of the last answer, or ``timeout``, ``connection``, ``refused_address``."""
    is_dead: bool
    """Set aside: it is sent again when an administrator says so."""


class WebhookDetail(WebhookView):
    """A webhook with what it has not acknowledged, dead letters first, 200 at most."""

    tables = ("deliveries",)
    deliveries: list[WebhookDelivery]


class RegisteredWebhook(AnswerSchema):
    """A new webhook, with its secret, which is shown once."""

    webhook_id: str
    url: str
    events: list[EventType]
    role: Role
    post: str | None
    agency: str | None
    secret: str
    """``whsec_`` and 32 bytes in base64, as libraries of Standard Webhooks take it."""
    recorded_at: datetime
    receipt: Receipt


class RotatedWebhook(AnswerSchema):
    """A new secret, which is shown once."""

    webhook_id: str
    secret: str
    until: datetime
    """Until when the secret before signs too."""
    recorded_at: datetime
    receipt: Receipt


class WebhookStep(AnswerSchema):
    """A step about a webhook that stands in the journal."""

    webhook_id: str
    recorded_at: datetime
    receipt: Receipt


MOST = 200
"""Deliveries of one webhook that are listed."""


def list_webhooks(service: Runtime, caller: Caller) -> list[dict[str, Any]]:
    """Return the webhooks that a caller reaches, the newest first."""
    with service.store.read() as connection:
        known = EndpointHistory().look(connection).values()
        figures, now = read_figures(connection), service.journal.now(connection)
    found = [one for one in known if is_reached(caller, one)]
    return [_show(one, figures, now) for one in reversed(found)]


def read_webhook(service: Runtime, caller: Caller, webhook_id: str) -> dict[str, Any]:
    """Return one webhook with its deliveries; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = find_endpoint(connection, caller, webhook_id)
        figures, now = read_figures(connection), service.journal.now(connection)
        return _show(found, figures, now) | {
            "deliveries": _list_deliveries(service, connection, webhook_id)
        }


def _list_deliveries(
    service: Runtime, connection: Connection, webhook_id: str
) -> list[dict[str, Any]]:
    journal_id = service.journal.head(connection).journal_id
    return [
        {
            "event_id": event_id(journal_id, one.seq, one.type),
            "type": one.type,
            "happened_at": rfc3339(one.known_at),
            "attempts": one.attempts,
            "next_at": None if next_at is None else rfc3339(next_at or one.known_at),
            "result": result,
            "is_dead": next_at is None,
        }
        for one, next_at, result in list_deliveries(connection, webhook_id, most=MOST)
    ]


def _show(one: Endpoint, figures: Mapping[str, DeliveryFigures], now: int) -> dict[str, Any]:
    found = figures.get(one.webhook_id, DeliveryFigures())
    return {
        "webhook_id": one.webhook_id,
        "url": one.url,
        "events": list(one.events),
        "role": one.role,
        "post": one.post,
        "agency": one.agency,
        "by": one.by,
        "registered_at": rfc3339(one.registered_at),
        "state": one.state,
        "since": rfc3339(one.since),
        "why": one.why,
        "signing_secrets": len(one.signing_secrets(now)),
        "waiting": found.waiting,
        "dead_letters": found.dead,
        "oldest_at": None if found.oldest_at is None else rfc3339(found.oldest_at),
        "failing_since": rfc3339(found.failing_since) if found.failing_since else None,
    }


async def writer_of(caller: TheCaller, service: TheService, key: IdempotencyKey) -> WebhookWriter:
    """Return what takes the caller's steps."""
    return WebhookWriter(service, caller, key)


TheWriter = Annotated[WebhookWriter, Depends(writer_of)]
