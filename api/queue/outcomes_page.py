"""Vehicles of a post that were inspected or released in the running shift: the way back to each.

An act takes its vehicle out of the queue; whoever filed it can still open it from here.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select

from api.service.runtime import Runtime
from api.web.record_defaults import UNREAD
from engine.domain.time_units import moment
from engine.journal.journal import BODIES, JOURNAL
from engine.queue.queue import INSPECTION, RELEASE, QueuedDecision, last_of_crossing

MOST_LISTED = 50
"""Acts and releases that the page lists, the last of all."""
_J = JOURNAL.c


@dataclass(frozen=True, slots=True)
class QueueOutcome:
    """How one vehicle left the queue."""

    decision_id: str
    crossing: Mapping[str, Any]
    at: datetime
    by: str | None
    """Who recorded it; None in a record that does not say."""
    found: str | None
    """Outcome of its inspection act; None where it was released without one."""


def outcomes(runtime: Runtime, post: str) -> Sequence[QueueOutcome]:
    """Return the acts and releases of a post in its running shift, the newest first."""
    found = []
    with runtime.store.read() as snapshot:
        shift = runtime.settings.shifts.shift(post, runtime.journal.now(snapshot))
        for row in snapshot.execute(_select_departures(post, since=shift.opens_at)):
            body = json.loads(row.body)
            known = last_of_crossing(snapshot, body["crossing_id"])
            if known is not None:
                crossing = _read_crossing(runtime, snapshot, known)
                act = body.get("inspection", {}).get("outcome")
                at, by = moment(row.known_at), body.get("by")
                found.append(QueueOutcome(known.decision_id, crossing, at, by, act))
    return found


def _select_departures(post: str, *, since: int) -> Select[tuple[int, bytes]]:
    return (
        select(_J.known_at, BODIES.c.body)
        .join(BODIES, BODIES.c.seq == _J.seq)
        .where(_J.post == post, _J.kind.in_((INSPECTION, RELEASE)), _J.known_at >= since)
        .order_by(_J.known_at.desc())
        .limit(MOST_LISTED)
    )


def _read_crossing(runtime: Runtime, snapshot: Connection, known: QueuedDecision) -> dict[str, Any]:
    crossing: dict[str, Any] = runtime.journal.body(snapshot, known.seq)["arrival"]["crossing"]
    return UNREAD | crossing
