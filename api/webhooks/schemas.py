"""Answers about webhooks."""

from datetime import datetime

from api.http.schema_base import AnswerSchema
from engine.domain.rights import Role
from engine.events.endpoints import EndpointState
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
