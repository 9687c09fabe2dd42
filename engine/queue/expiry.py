"""Vehicles that left after a day: records of the service, written by a thread of its own.

No decision waits for it. Each process of the service may look; the store's lock lets one of them
write, and the others find nothing left. Other work that comes due by the clock is done on the same
thread.
"""

import logging
from collections.abc import Callable, Sequence
from itertools import islice

from sqlalchemy import Connection, select

from engine.domain.time_units import DAY, rfc3339
from engine.journal.entries import Draft
from engine.journal.journal import JOURNAL, Journal
from engine.journal.kinds import COPIED, DECISION, QUEUE_EXPIRED
from engine.journal.power_records import read_record
from engine.queue.queue import DECISIONS, WAITS
from engine.storage.database import Store
from engine.storage.periodic_worker import PeriodicWorker

_D = DECISIONS.c


def draft_expiries(connection: Connection, *, as_of: int, most: int) -> list[Draft]:
    """Return the records of vehicles that have waited for a day, the first to arrive first.

    Since when one waits is what the journal proves: a record of the service must not come of an
    edit of a table, which could be taken back afterwards.
    """
    query = (
        select(_D.decision_id, _D.seq, _D.crossing_id, _D.post, JOURNAL.c.known_at)
        .join(JOURNAL, (JOURNAL.c.seq == _D.seq) & (JOURNAL.c.known_at == _D.known_at))
        .where(WAITS, _D.known_at < as_of - DAY)
        .order_by(_D.seq)
    )
    drafts = (
        QUEUE_EXPIRED.draft(
            decision_id,
            {"crossing_id": crossing_id, "decision": seq, "decided_at": rfc3339(known_at)},
            post=post,
        )
        for decision_id, seq, crossing_id, post, known_at in connection.execute(query)
        if _is_proven(connection, seq, decision_id)
    )
    return list(islice(drafts, most))


def _is_proven(connection: Connection, seq: int, decision_id: str) -> bool:
    record = read_record(connection, seq)
    return (
        record is not None
        and record.body is not None
        and (record.kind, record.subject) == (DECISION, decision_id)
        and COPIED not in record.body  # its own node says when the day has passed
    )


EXPIRY_SECONDS = 60.0
MOST_EXPIRIES = 512
"""Bounds how long the lock is held; further ones follow at once."""
_LOG = logging.getLogger("darvoza")


class QueueExpiry(PeriodicWorker):
    """Ends the wait of vehicles that were referred over a day ago."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        also: Sequence[Callable[[], object]] = (),
    ) -> None:
        """``also`` is done after each look."""
        super().__init__("queue-expiry", EXPIRY_SECONDS, first_after=0.0)
        self._also = also
        self._store = store
        self._journal = journal

    def expire(self) -> int:
        """Record every vehicle whose day has passed; return how many there were."""
        number = 0
        while not self._stop.is_set():
            with self._store.read() as connection:
                as_of = self._journal.now(connection)
                if not draft_expiries(connection, as_of=as_of, most=1):
                    break
            number += len(
                self._journal.append_found(
                    lambda connection, now: draft_expiries(
                        connection, as_of=now, most=MOST_EXPIRIES
                    )
                )
            )
        return number

    def run_turn(self) -> None:
        """End what is over, then do the other work that comes due by the clock."""
        self.expire()
        for work in self._also:
            work()

    def note_failure(self, error: Exception) -> None:
        """Log it; the next look finds what is due."""
        _LOG.warning("clock_work_failed", exc_info=error)
