"""Records between a post's node and its centre: their sealing, and what the counters need."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from api.links.movements.context import MovementContext
from engine.journal.entries import ProjectionInput
from engine.links.exchange import LinkExchange
from engine.links.posts.record_batches import RECORD
from engine.links.posts.record_outbox import send_records
from features.online.recorded_events import event_of


def make_event(
    connection: Connection, kind: str, body: Mapping[str, Any], *, context: MovementContext
) -> ProjectionInput | None:
    """Return what the counters get of a copied record."""
    return event_of(context.open(connection)[0], kind, body)


def follow_records(exchange: LinkExchange, name: str) -> int:
    """Seal the next records of a link of kind ``post``; return how many envelopes they are."""
    link = exchange.find_link(name)
    if link.agreement.rule(RECORD, link.us) is None:
        return 0
    return send_records(exchange.store, exchange.journal, exchange.keys, link)
