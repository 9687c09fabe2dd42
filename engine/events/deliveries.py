"""Deliveries to each endpoint: leased by one process, retried, and set aside as dead letters.

An event of a subject is due once all earlier ones of that subject were acknowledged or set aside.
One process at a time sends to an endpoint, under a lease that ends by itself: a process that dies
leaves what it sent to be sent again, under the same identifier. Retries follow the schedule that
the Standard Webhooks specification recommends.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import (
    ColumnElement,
    Connection,
    delete,
    exists,
    func,
    or_,
    select,
    tuple_,
    update,
)

from engine.domain.time_units import DAY, HOUR, MINUTE, SECOND
from engine.events.endpoints import Endpoint
from engine.events.outbox import CURSORS, DELIVERIES, EVENTS, open_cursor
from engine.journal.areas import UNCOUNTED
from engine.storage.database import insert_rows

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
    type: str
    known_at: int
    attempts: int
    """Failed ones."""


@dataclass(frozen=True, slots=True)
class Outcome:
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
    outcomes: Sequence[tuple[Delivery, Outcome]],
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


def _schedule(attempts: int, outcome: Outcome, now: int) -> int | None:
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
