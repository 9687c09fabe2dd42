"""Records that vehicles have left the queue because a day has passed.

Runs next to the decisions, on a thread of its own: nothing waits for it. Each process of the
service may look; the store's lock lets one of them write, and the others find nothing left. Other
work that comes due by the clock is done on the same thread.
"""

import logging
from collections.abc import Callable, Sequence
from threading import Event, Thread

from engine.errors import RiskError
from engine.journal.journal import Journal
from engine.queue.queue import draft_expiries
from engine.storage.database import Store

EVERY_SECONDS = 60.0
MOST = 512
"""Bounds how long the lock is held; further ones follow at once."""
_LOG = logging.getLogger("darvoza")


class QueueExpiry:
    """Ends the wait of vehicles that were referred over a day ago."""

    def __init__(
        self,
        store: Store,
        journal: Journal,
        *,
        also: Sequence[Callable[[], object]] = (),
    ) -> None:
        """``also`` is done after each look."""
        self._also = also
        self._store = store
        self._journal = journal
        self._stop = Event()
        self._thread = Thread(target=self._run, name="queue-expiry", daemon=True)

    def start(self) -> None:
        """Look at once, then at intervals."""
        self._thread.start()

    def close(self) -> None:
        """Stop looking."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

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
                    lambda connection, now: draft_expiries(connection, as_of=now, most=MOST)
                )
            )
        return number

    def _run(self) -> None:
        while True:
            try:
                self.expire()
                for work in self._also:
                    work()
            except RiskError as error:  # the next look finds them
                _LOG.warning("clock_work_failed", exc_info=error)
            if self._stop.wait(EVERY_SECONDS):
                return
