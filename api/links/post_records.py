"""Records between a post's node and its centre: their sealing, and what the counters need."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from api.links.movements.context import MovementContext
from engine.domain.time_units import rfc3339
from engine.journal.copies import find_newest
from engine.journal.entries import ProjectionInput
from engine.links.exchange import LinkExchange
from engine.links.posts.record_batches import RECORD
from engine.links.posts.record_outbox import read_unsent, send_records
from engine.links.state import Link
from features.online.recorded_events import event_of


def make_event(
    connection: Connection, kind: str, body: Mapping[str, Any], *, context: MovementContext
) -> ProjectionInput | None:
    """Return what the counters get of a copied record."""
    return event_of(context.open()[0], kind, body)


def follow_records(exchange: LinkExchange, name: str) -> int:
    """Seal the next records of a link of kind ``post``; return how many envelopes they are."""
    link = exchange.find_link(name)
    if link.agreement.rule(RECORD, link.us) is None:
        return 0
    return send_records(exchange.store, exchange.journal, exchange.keys, link)


def describe_records(connection: Connection, link: Link) -> dict[str, Any] | None:
    """Return which records a post's node and its centre lack of each other; None for partners."""
    if link.agreement.kind != "post":
        return None
    unsent = read_unsent(connection, link) if link.us.role == "node" else None
    newest = find_newest(connection, link.them.identity.fingerprint)
    return {
        "unsent": None if unsent is None else unsent.records,
        "unsent_since": rfc3339(unsent.since) if unsent is not None and unsent.records else None,
        "newest": None if newest is None else newest.number,
        "newest_recorded_at": None if newest is None else rfc3339(newest.recorded_at),
        "newest_arrived_at": None if newest is None else rfc3339(newest.known_at),
    }
