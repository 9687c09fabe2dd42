"""Webhooks: their endpoints, the outbox of events, and the deliveries to each endpoint.

``webhook_events`` names each record that is an event, while any webhook exists; without one nothing
is written. A projection fills it in the journal's own transaction, so it follows from the records
alone. The fate of an event on its way to one endpoint is no record: ``webhook_cursors`` and
``webhook_deliveries`` belong to the sender. If they are lost, events are sent again.

Verified records state the addresses that data go to: a row inserted into a table opens no endpoint.
An endpoint with a record that does not match the chain gets nothing more.

An event of a subject is due once all earlier ones of that subject were acknowledged or set aside.
One process at a time sends to an endpoint, under a lease that ends by itself: if a process dies,
its events are sent again under the same identifiers. Retries follow the schedule that the Standard
Webhooks specification recommends; then an event is set aside as a dead letter.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from threading import Lock
from typing import Any, Literal

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Index,
    SmallInteger,
    String,
    Table,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    tuple_,
    update,
)

from engine.domain.rights import Matter, Role
from engine.domain.time_units import DAY, HOUR, MINUTE, SECOND, micros
from engine.events.area import (
    WEBHOOK_DISABLED,
    WEBHOOK_ENDED,
    WEBHOOK_REGISTERED,
    WEBHOOK_RESENT,
    WEBHOOK_ROTATED,
)
from engine.journal.areas import UNCOUNTED, Event, EventType, list_events
from engine.journal.areas import change_decision as crossing_event
from engine.journal.entries import Draft, Entry
from engine.journal.kinds import CROSSING
from engine.journal.power_records import PowerRecord, RecordTail
from engine.queue.mirror_alerts import AGREES, ALERTS
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
:mod:`engine.events.webhooks`."""
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


def project_events(connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
    """Keep which records are events, and what happens to webhooks.

    Runs after the projections of the queue and its alerts.
    """
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
        .where(ALERTS.c.seq == seq, ALERTS.c.code != AGREES)
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


ENDPOINT_KINDS = (
    WEBHOOK_REGISTERED,
    WEBHOOK_ROTATED,
    WEBHOOK_RESENT,
    WEBHOOK_DISABLED,
    WEBHOOK_ENDED,
)
EndpointState = Literal["active", "disabled", "ended"]


Way = Literal["webhook", "mail", "push"]
"""A signed event, a mail, or a short text through a push gateway."""


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
    events: tuple[EventType, ...]
    role: Role
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
    language: str = "en"
    """Of mails and pushes."""

    @property
    def way(self) -> Way:
        """How events go there, which its address says."""
        scheme = self.url.partition(":")[0]
        return "mail" if scheme == "mailto" else "push" if scheme.startswith("push") else "webhook"

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
        role=Role(body["role"]),
        post=record.post or None,
        agency=body.get("agency"),
        by=str(body.get("by")),
        sequence=record.seq,
        registered_at=record.known_at,
        secrets=(SecretName(body["secret"]),),
        since=record.known_at,
        language=str(body.get("language", "en")),
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


RETRY_DELAYS = (
    5 * SECOND,
    5 * MINUTE,
    30 * MINUTE,
    2 * HOUR,
    5 * HOUR,
    10 * HOUR,
    14 * HOUR,
    20 * HOUR,
    24 * HOUR,
)
"""Time after each failed attempt until the next one; after the last the event is set aside."""
JITTER = 0.2
"""Share of a delay that is added at random, so that events do not come back all at once."""
LONGEST_WAIT = DAY
"""The longest ``Retry-After`` that is followed."""
FAILING = 5 * DAY
"""How long nothing may arrive at an endpoint before it is disabled."""
AT_ONCE = 16
"""Deliveries to one endpoint at a time, each of another subject."""
_EXPANDED = 500
_D, _C, _E = DELIVERIES.c, CURSORS.c, EVENTS.c


@dataclass(frozen=True, slots=True)
class Delivery:
    """One event on its way to one endpoint."""

    seq: int
    type: EventType
    known_at: int
    attempts: int
    """Failed ones."""


@dataclass(frozen=True, slots=True)
class DeliveryOutcome:
    """What became of one attempt."""

    state: Literal["delivered", "dropped", "failed", "gone"]
    """``dropped`` where the receiver may not see it, or its record was erased."""
    result: str = ""
    """Status of the answer, or the kind of failure."""
    retry_after: int = 0
    """Microseconds that the receiver asks to wait."""


@dataclass(frozen=True, slots=True)
class DeliveryFigures:
    """How an endpoint fares."""

    waiting: int = 0
    dead: int = 0
    oldest_at: int | None = None
    """When the oldest waiting event happened: UTC microseconds."""
    failing_since: int = 0


def has_work(connection: Connection, endpoint: Endpoint, *, holder: str, now: int) -> bool:
    """Tell whether anything is to be sent by this process."""
    query = select(CURSORS).where(_C.webhook_id == endpoint.webhook_id)
    cursor = connection.execute(query).one_or_none()
    if cursor is not None and cursor.holder != holder and cursor.leased_until > now:
        return False
    seq = endpoint.sequence if cursor is None else cursor.seq
    new = select(_E.seq).where(_E.seq > seq, _E.type.in_(endpoint.events)).limit(1)
    if connection.execute(new).first() is not None:
        return True
    due = select(_D.seq).where(*_is_due(endpoint, now)).limit(1)
    return connection.execute(due).first() is not None


def claim_due(
    connection: Connection, endpoint: Endpoint, *, holder: str, now: int, lease: int
) -> list[Delivery]:
    """Lease an endpoint, take in new events, and return what is due, the oldest first.

    Returns nothing where another process holds the lease. ``lease`` is in microseconds.
    """
    which = endpoint.webhook_id
    cursor = connection.execute(select(CURSORS).where(_C.webhook_id == which)).one_or_none()
    if cursor is None:
        open_cursor(connection, which, endpoint.sequence)
    free = update(CURSORS).where(
        _C.webhook_id == which, or_(_C.holder == holder, _C.leased_until <= now)
    )
    taken = connection.execute(free.values(holder=holder, leased_until=now + lease))
    if not taken.rowcount:
        return []
    _expand(connection, endpoint, endpoint.sequence if cursor is None else cursor.seq)
    query = (
        select(_D.seq, _D.type, _D.known_at, _D.attempts)
        .where(*_is_due(endpoint, now))
        .order_by(_D.next_at, _D.seq, _D.type)
        .limit(AT_ONCE)
    )
    return [Delivery(*row) for row in connection.execute(query)]


def _is_due(endpoint: Endpoint, now: int) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of what may be sent now: the first of its subject that waits."""
    earlier = DELIVERIES.alias("earlier")
    is_blocked = exists().where(
        earlier.c.webhook_id == _D.webhook_id,
        earlier.c.subject_key == _D.subject_key,
        earlier.c.next_at.is_not(None),
        tuple_(earlier.c.seq, earlier.c.type) < tuple_(_D.seq, _D.type),
    )
    return _D.webhook_id == endpoint.webhook_id, _D.next_at <= now, ~is_blocked


def _expand(connection: Connection, endpoint: Endpoint, seq: int) -> None:
    """Take in the events after a record, some at a time."""
    query = (
        select(EVENTS)
        .where(_E.seq > seq, _E.type.in_(endpoint.events))
        .order_by(_E.seq, _E.type)
        .limit(_EXPANDED)
    )
    found = connection.execute(query).all()
    if not found:
        return
    if len(found) == _EXPANDED:  # the last record may have more events than fit
        found = [row for row in found if row.seq < found[-1].seq]
    which = endpoint.webhook_id
    rows = [(which, e.seq, e.type, e.subject_key, e.known_at, 0, 0, "") for e in found]
    insert_rows(connection, DELIVERIES, rows)
    moved = update(CURSORS).where(_C.webhook_id == which)
    connection.execute(moved.values(seq=found[-1].seq))


def settle(
    connection: Connection,
    endpoint: Endpoint,
    outcomes: Sequence[tuple[Delivery, DeliveryOutcome]],
    *,
    now: int,
) -> int:
    """Keep what became of some attempts; return since when the endpoint fails, 0 if it works."""
    which = endpoint.webhook_id
    for delivery, outcome in outcomes:
        one = (_D.webhook_id == which, _D.seq == delivery.seq, _D.type == delivery.type)
        if outcome.state in ("delivered", "dropped"):
            connection.execute(delete(DELIVERIES).where(*one))
            continue
        next_at = _schedule(delivery.attempts, outcome, now)
        change = {"attempts": delivery.attempts + 1, "next_at": next_at, "result": outcome.result}
        connection.execute(update(DELIVERIES).where(*one).values(change))
    states = {outcome.state for _, outcome in outcomes}
    cursor = update(CURSORS).where(_C.webhook_id == which)
    if "delivered" in states:
        connection.execute(cursor.values(failing_since=0))
    elif states & {"failed", "gone"}:
        connection.execute(cursor.where(_C.failing_since == 0).values(failing_since=now))
    since = connection.scalar(select(_C.failing_since).where(_C.webhook_id == which))
    return since or 0


def _schedule(attempts: int, outcome: DeliveryOutcome, now: int) -> int | None:
    """Return when to try again, None where the event is set aside."""
    if attempts >= len(RETRY_DELAYS):
        return None
    delay = round(RETRY_DELAYS[attempts] * (1 + random.uniform(0, JITTER)))  # noqa: S311
    return now + max(delay, min(outcome.retry_after, LONGEST_WAIT))


def release_leases(connection: Connection, holder: str) -> None:
    """Let other processes send at once: this one stops."""
    connection.execute(update(CURSORS).where(_C.holder == holder).values(leased_until=0))


def read_figures(connection: Connection) -> dict[str, DeliveryFigures]:
    """Return how each endpoint fares that was ever sent to, by its identifier."""
    counted = select(
        _D.webhook_id,
        func.count(_D.next_at),
        func.count() - func.count(_D.next_at),
    ).group_by(_D.webhook_id)
    oldest = (
        select(_D.webhook_id, func.min(_D.known_at))
        .where(_D.next_at.is_not(None))
        .group_by(_D.webhook_id)
    )
    counts = {which: (waiting, dead) for which, waiting, dead in connection.execute(counted)}
    times = {row[0]: int(row[1]) for row in connection.execute(oldest)}
    failing = connection.execute(select(_C.webhook_id, _C.failing_since))
    return {
        which: DeliveryFigures(*counts.get(which, (0, 0)), times.get(which), since)
        for which, since in failing
    }


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """The outbox without events that are not counted publicly."""

    waiting: int
    dead: int
    oldest_at: int | None
    failing: int
    """Endpoints at which nothing arrived for a day."""


def read_queue_figures(connection: Connection, *, now: int) -> QueueFigures:
    """Return figures that tell a checkpoint nothing of its vehicles.

    One more delivery of a watch-list hit, read between two decisions, would tell that the list
    names the vehicle. How an endpoint fares is said of whole days.
    """
    public = _D.type.not_in(UNCOUNTED)
    query = select(
        func.count(_D.next_at),
        func.count() - func.count(_D.next_at),
    ).where(public)
    waiting, dead = connection.execute(query).one()
    oldest = connection.scalar(select(func.min(_D.known_at)).where(public, _D.next_at.is_not(None)))
    is_failing = _C.failing_since > 0, _C.failing_since < now - DAY
    failing = connection.scalar(select(func.count()).select_from(CURSORS).where(*is_failing))
    return QueueFigures(waiting, dead, oldest, failing or 0)


def list_deliveries(
    connection: Connection, webhook_id: str, *, most: int
) -> list[tuple[Delivery, int | None, str]]:
    """Return what an endpoint has not acknowledged, with the next attempt and the last result.

    Dead letters, whose next attempt is None, come first, then the oldest.
    """
    query = (
        select(_D.seq, _D.type, _D.known_at, _D.attempts, _D.next_at, _D.result)
        .where(_D.webhook_id == webhook_id)
        .order_by(_D.next_at.is_not(None), _D.seq, _D.type)
        .limit(most)
    )
    return [(Delivery(*row[:4]), row.next_at, row.result) for row in connection.execute(query)]
