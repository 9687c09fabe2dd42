"""A signed test event: sent at once to one receiver, with a sample of each event it asks for.

It goes the way of every event (address, signature, time limit), is not tried again and leaves no
record: nothing in it is of a vehicle, a person or a case.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from api.auth.callers import Caller
from api.http.answers import Answer, Time
from api.service.runtime import Runtime
from api.webhooks.delivery import open_sender, write_message
from api.webhooks.steps import find_endpoint
from engine.domain.time_units import micros, rfc3339
from engine.errors import ConflictError
from engine.journal.areas import EventType

TYPE: Final = "webhook.test"
_VEHICLE: Final = {"decision_id": "dec-sample", "crossing_id": "crossing-sample", "post": "SAMPLE"}
_DECISION: Final = _VEHICLE | {"channel": "yellow", "decided_at": "2026-11-26T09:30:12.004711Z"}
SAMPLES: Final[Mapping[EventType, Mapping[str, Any]]] = {
    "decision.changed": _DECISION | {"change": "amended", "amends": "dec-sample-before"},
    "decision.overridden": _VEHICLE | {"channel": "red"},
    "vehicle.given": _VEHICLE | {"change": "given", "to": "officer-sample"},
    "watchlist.hit": _DECISION | {"entries": ["watch-sample"]},
    "known_lawful.suspended": {"alarm": "known_lawful_suspended", "id": "lawful-sample"},
    "approval.waiting": {"matter": "watchlist", "id": "watch-sample", "step": "watchlist_proposed"},
    "alarm.raised": {"alarm": "drift", "id": "sample"},
    "case.changed": {
        "change": "opened",
        "case_id": "case-sample",
        "post": "SAMPLE",
        "sequence": 1,
    },
}
"""``data`` of an event of each type."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookTrial(Answer):
    """What became of a test event."""

    webhook_id: str
    event_id: str
    """``webhook-id`` of the test."""
    sent_at: Time
    is_acknowledged: bool
    result: str
    """Status of the answer, or ``timeout``, ``connection``, ``refused_address``."""
    body: dict[str, Any]
    """What was sent: its ``data`` holds a sample of each event, by type."""


def send_test(service: Runtime, caller: Caller, webhook_id: str) -> WebhookTrial:
    """Send a test event now, and wait for its answer.

    Raises ``NotFoundError``, and ``ConflictError`` for a webhook that has ended.
    """
    with service.store.read() as connection:
        endpoint = find_endpoint(connection, caller, webhook_id)
    if endpoint.state == "ended":
        raise ConflictError("webhook", webhook_id, "it has ended")
    now, name = datetime.now(UTC), f"evt_test_{secrets.token_hex(8)}"
    samples = {one: SAMPLES[one] for one in endpoint.events}
    body = {"type": TYPE, "timestamp": rfc3339(micros(now)), "data": samples}
    written = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    message = write_message(service, endpoint, written, event=name, now=micros(now))
    outcomes = open_sender(service).send([message])
    assert outcomes is not None  # noqa: S101 - nobody cancels this sender
    (outcome,) = outcomes
    return WebhookTrial(
        webhook_id=webhook_id,
        event_id=name,
        sent_at=rfc3339(micros(now)),
        is_acknowledged=outcome.state == "delivered",
        result=outcome.result,
        body=body,
    )
