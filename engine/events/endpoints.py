"""Endpoints of webhooks, replayed from the journal.

Where data go out is what verified records state: a row inserted into a table opens no endpoint. An
endpoint with a record that does not match the chain gets nothing more.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Any, Literal

from sqlalchemy import Connection

from engine.domain.rights import Matter
from engine.domain.time_units import micros
from engine.events.area import (
    WEBHOOK_DISABLED,
    WEBHOOK_ENDED,
    WEBHOOK_REGISTERED,
    WEBHOOK_RESENT,
    WEBHOOK_ROTATED,
)
from engine.journal.power_records import PowerRecord, RecordTail

ENDPOINT_KINDS = (
    WEBHOOK_REGISTERED,
    WEBHOOK_ROTATED,
    WEBHOOK_RESENT,
    WEBHOOK_DISABLED,
    WEBHOOK_ENDED,
)
EndpointState = Literal["active", "disabled", "ended"]


@dataclass(frozen=True, slots=True)
class SecretName:
    """The name of a signing secret, and until when it signs; None for the newest."""

    name: str
    until: int | None = None
    """UTC microseconds."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One webhook as its records state it."""

    webhook_id: str
    url: str
    events: tuple[str, ...]
    role: str
    post: str | None
    agency: str | None
    by: str
    sequence: int
    registered_at: int
    secrets: tuple[SecretName, ...]
    """The newest first."""
    state: EndpointState = "active"
    since: int = 0
    """When it entered its state: UTC microseconds."""
    why: str = ""
    """Why it is disabled."""

    def signing_secrets(self, now: int) -> list[SecretName]:
        """Return the secrets that sign at ``now`` (UTC microseconds), the newest first."""
        return [one for one in self.secrets if one.until is None or one.until > now]


class EndpointHistory:
    """Every webhook of a store, brought up to date with each look."""

    def __init__(self) -> None:
        self._tail = RecordTail(ENDPOINT_KINDS)
        self._lock = Lock()
        self._known: dict[str, Endpoint] = {}

    def look(self, connection: Connection) -> Mapping[str, Endpoint]:
        """Return every webhook by its identifier, ended ones included, the oldest first."""
        with self._lock:
            for record in self._tail.read_new(connection):
                self._apply(record)
            return dict(self._known)

    def _apply(self, record: PowerRecord) -> None:
        known, body = self._known.get(record.subject), record.body
        if known is None:
            if record.kind == WEBHOOK_REGISTERED and body is not None:
                self._known[record.subject] = _register(record, body)
            return
        if body is None:
            now = replace(known, state="ended", since=record.known_at)
        elif known.state == "ended" or record.kind == WEBHOOK_REGISTERED:
            return
        else:
            now = _move(known, record, body)
        self._known[record.subject] = now


def _register(record: PowerRecord, body: Mapping[str, Any]) -> Endpoint:
    return Endpoint(
        webhook_id=record.subject,
        url=body["url"],
        events=tuple(body["events"]),
        role=body["role"],
        post=record.post or None,
        agency=body.get("agency"),
        by=str(body.get("by")),
        sequence=record.seq,
        registered_at=record.known_at,
        secrets=(SecretName(body["secret"]),),
        since=record.known_at,
    )


def _move(known: Endpoint, record: PowerRecord, body: Mapping[str, Any]) -> Endpoint:
    if record.kind == WEBHOOK_ROTATED:
        until = micros(datetime.fromisoformat(body["until"]))
        old = SecretName(known.secrets[0].name, until)
        return replace(known, secrets=(SecretName(body["secret"]), old))
    if record.kind == WEBHOOK_DISABLED:
        return replace(known, state="disabled", since=record.known_at, why=body["why"])
    state: EndpointState = "ended" if record.kind == WEBHOOK_ENDED else "active"
    return replace(known, state=state, since=record.known_at, why="")


def read_agencies(connection: Connection) -> dict[tuple[Matter, str | None], str | None]:
    """Return the agency of each webhook."""
    known = EndpointHistory().look(connection).values()
    return {(Matter.PEOPLE, one.webhook_id): one.agency for one in known}
