"""Tables of the outbox, and the projection that fills it in the journal's own transaction.

``webhook_events`` names each record that is an event, while any webhook exists; without one nothing
is written. It follows from the records alone. What became of an event on its way to one endpoint
is no record: ``webhook_cursors`` and ``webhook_deliveries`` belong to the sender
(:mod:`engine.events.deliveries`). Where they are lost, events are sent again.
"""

from collections.abc import Iterator, Sequence

from sqlalchemy import (
    Column,
    Connection,
    Index,
    SmallInteger,
    String,
    Table,
    delete,
    insert,
    select,
    update,
)

from engine.events.area import WEBHOOK_ENDED, WEBHOOK_REGISTERED, WEBHOOK_RESENT
from engine.journal.areas import Event, list_events
from engine.journal.areas import change_decision as crossing_event
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import CROSSING
from engine.queue.mirror_alerts import ALERTS
from engine.queue.queue import DECISIONS
from engine.storage.database import METADATA, Int64, declare_columns, insert_rows

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("webhook_id", String, primary_key=True),
    *declare_columns(Int64, "seq"),
    Column("ended_seq", Int64),
)
"""Which records are events: those between both numbers. Grants nothing: see
:mod:`engine.events.endpoints`."""
EVENTS = Table(
    "webhook_events",
    METADATA,
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("type", String, primary_key=True),
    *declare_columns(Int64, "subject_key", "known_at"),
)
CURSORS = Table(
    "webhook_cursors",
    METADATA,
    Column("webhook_id", String, primary_key=True),
    *declare_columns(Int64, "seq"),
    *declare_columns(String, "holder"),
    *declare_columns(Int64, "leased_until", "failing_since"),
)
"""Up to which event the deliveries of an endpoint exist, which process sends them, and since when
none arrived (0: the last one did)."""
DELIVERIES = Table(
    "webhook_deliveries",
    METADATA,
    Column("webhook_id", String, primary_key=True),
    Column("seq", Int64, primary_key=True, autoincrement=False),
    Column("type", String, primary_key=True),
    *declare_columns(Int64, "subject_key", "known_at"),
    *declare_columns(SmallInteger, "attempts"),
    Column("next_at", Int64),
    *declare_columns(String, "result"),
    Index("webhook_deliveries_due_ix", "webhook_id", "next_at"),
    Index("webhook_deliveries_subject_ix", "webhook_id", "subject_key", "seq"),
)
"""What was not acknowledged yet; ``next_at`` is null of a dead letter."""


class EventProjection:
    """Keeps which records are events; runs after the projections of the queue and its alerts."""

    def apply(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        """Note the events among these records, and what happens to webhooks."""
        found: list[tuple[Entry, Event | None]] = []
        for entry, draft in entries:
            if entry.kind in _CHANGES:
                _change_webhook(connection, entry)
            if entry.kind == CROSSING:
                found.append((entry, None))
            found += [(entry, one) for one in list_events(entry.kind, entry.subject, draft.body)]
        if found:
            _insert_events(connection, found)


def _insert_events(connection: Connection, found: Sequence[tuple[Entry, Event | None]]) -> None:
    """Insert the events that some webhook is there for; None stands for a possible alert."""
    spans = [(seq, ended) for _, seq, ended in connection.execute(select(WEBHOOKS))]
    rows = []
    for entry, event in found:
        if any(seq < entry.seq and not (ended and ended < entry.seq) for seq, ended in spans):
            events = _find_alerts(connection, entry.seq) if event is None else iter([event])
            about = (entry.seq, entry.known_at)
            rows += [(about[0], one.type, one.subject_key, about[1]) for one in events]
    insert_rows(connection, EVENTS, rows)


def _find_alerts(connection: Connection, seq: int) -> Iterator[Event]:
    """Yield that a late record of the paired post raised an alert on a decision."""
    query = (
        select(DECISIONS.c.crossing_id)
        .join(ALERTS, ALERTS.c.decision_id == DECISIONS.c.decision_id)
        .where(ALERTS.c.seq == seq)
        .limit(1)
    )
    yield from map(crossing_event, connection.scalars(query))


_CHANGES = frozenset({WEBHOOK_REGISTERED, WEBHOOK_RESENT, WEBHOOK_ENDED})


def _change_webhook(connection: Connection, entry: Entry) -> None:
    which = entry.subject
    own = DELIVERIES.c.webhook_id == which
    if entry.kind == WEBHOOK_REGISTERED:
        insert_rows(connection, WEBHOOKS, [(which, entry.seq, None)])
    elif entry.kind == WEBHOOK_RESENT:
        connection.execute(update(DELIVERIES).where(own).values(next_at=0, attempts=0))
        fresh = update(CURSORS).where(CURSORS.c.webhook_id == which)
        connection.execute(fresh.values(failing_since=0))
    else:
        ended = update(WEBHOOKS).where(WEBHOOKS.c.webhook_id == which)
        connection.execute(ended.values(ended_seq=entry.seq))
        connection.execute(delete(DELIVERIES).where(own))
        connection.execute(delete(CURSORS).where(CURSORS.c.webhook_id == which))


def open_cursor(connection: Connection, webhook_id: str, seq: int) -> None:
    """Begin to deliver to an endpoint, from the record on that registered it."""
    row = {"webhook_id": webhook_id, "seq": seq, "holder": "", "leased_until": 0}
    connection.execute(insert(CURSORS), [row | {"failing_since": 0}])
