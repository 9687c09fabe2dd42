"""Webhooks and what they have not acknowledged yet, for one administrator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from api.auth.callers import Caller
from api.http.answers import Answer, Time
from api.service.runtime import Runtime
from api.webhooks.steps import event_id, find_endpoint, is_reached
from engine.domain.rights import Role
from engine.domain.time_units import rfc3339
from engine.events.webhooks import (
    DeliveryFigures,
    Endpoint,
    EndpointHistory,
    EndpointState,
    Way,
    list_deliveries,
    read_figures,
)
from engine.journal.areas import EventType


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookView(Answer):
    """A webhook, and how its deliveries fare."""

    webhook_id: str
    url: str
    way: Way
    """``webhook``, or ``mail`` and ``push``: a short text that names nothing."""
    language: str
    """Of a mail or a push."""
    events: list[EventType]
    role: Role
    """The role whose view bounds what a body holds."""
    post: str | None
    agency: str | None
    by: str
    """The administrator who registered it."""
    registered_at: Time
    state: EndpointState
    since: Time
    why: str
    """Of a disabled one: ``gone`` (it answered 410) or ``failing`` (nothing arrived for days)."""
    signing_secrets: int
    """Two while a rotation's overlap lasts."""
    waiting: int
    dead_letters: int
    oldest_at: Time | None
    """When the oldest event happened that waits."""
    failing_since: Time | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks(Answer):
    """Webhooks, the newest first, ended ones included."""

    tables = ("webhooks",)
    webhooks: list[WebhookView]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDelivery(Answer):
    """An event that a receiver has not acknowledged."""

    event_id: str
    """``webhook-id``, the same with every attempt."""
    type: EventType
    happened_at: Time
    attempts: int
    next_at: Time | None
    result: str
    """Status of the last answer, or ``timeout``, ``connection``, ``refused_address``."""
    is_dead: bool
    """Set aside: it is sent again when an administrator says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDetail(WebhookView):
    """A webhook with what it has not acknowledged, dead letters first, 200 at most."""

    tables = ("deliveries",)
    deliveries: list[WebhookDelivery]


MOST = 200
"""Deliveries of one webhook that are listed."""


Shown = TypeVar("Shown", bound=WebhookView)


def list_webhooks(service: Runtime, caller: Caller) -> Webhooks:
    """Return the webhooks that a caller reaches, the newest first."""
    with service.store.read() as connection:
        known = EndpointHistory().look(connection).values()
        figures, now = read_figures(connection), service.journal.now(connection)
    found = [one for one in known if is_reached(caller, one)]
    return Webhooks(webhooks=[_show(WebhookView, one, figures, now) for one in reversed(found)])


def read_webhook(service: Runtime, caller: Caller, webhook_id: str) -> WebhookDetail:
    """Return one webhook with its deliveries; raises ``NotFoundError``."""
    with service.store.read() as connection:
        found = find_endpoint(connection, caller, webhook_id)
        figures, now = read_figures(connection), service.journal.now(connection)
        journal_id = service.journal.head(connection).journal_id
        deliveries = [
            WebhookDelivery(
                event_id=event_id(journal_id, one.seq, one.type),
                type=one.type,
                happened_at=rfc3339(one.known_at),
                attempts=one.attempts,
                next_at=None if next_at is None else rfc3339(next_at or one.known_at),
                result=result,
                is_dead=next_at is None,
            )
            for one, next_at, result in list_deliveries(connection, webhook_id, most=MOST)
        ]
    return _show(WebhookDetail, found, figures, now, deliveries=deliveries)


def _show(
    kind: type[Shown],
    one: Endpoint,
    figures: Mapping[str, DeliveryFigures],
    now: int,
    **more: Any,
) -> Shown:
    found = figures.get(one.webhook_id, DeliveryFigures())
    return kind(
        webhook_id=one.webhook_id,
        url=one.url,
        way=one.way,
        language=one.language,
        events=list(one.events),
        role=one.role,
        post=one.post,
        agency=one.agency,
        by=one.by,
        registered_at=rfc3339(one.registered_at),
        state=one.state,
        since=rfc3339(one.since),
        why=one.why,
        signing_secrets=len(one.signing_secrets(now)),
        waiting=found.waiting,
        dead_letters=found.dead,
        oldest_at=None if found.oldest_at is None else rfc3339(found.oldest_at),
        failing_since=rfc3339(found.failing_since) if found.failing_since else None,
        **more,
    )
