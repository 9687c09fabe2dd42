"""One durable commit for many requests.

One thread takes all pending drafts and appends them as one batch: under load a flush of the log
serves hundreds, and a single record is never delayed. Nothing is acknowledged before its commit.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Lock, Thread

from engine.errors import StoreUnavailableError
from engine.journal.entries import Draft, Entry
from engine.journal.journal import Journal

LARGEST_BATCH = 512
"""Bounds how long the lock is held; larger batches gain nothing any more."""

_Waiting = tuple[Draft, "Future[Entry]"]


class Writer:
    """Appends drafts from many threads, in the order in which they came."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._queue: SimpleQueue[_Waiting | None] = SimpleQueue()
        self._lock = Lock()
        self._is_open = True
        self._thread = Thread(target=self._run, name="journal-writer", daemon=True)
        self._thread.start()

    def submit(self, draft: Draft) -> "Future[Entry]":
        """Return at once the future of the entry, or of the error that prevented it."""
        future: Future[Entry] = Future()
        with self._lock:  # so that nothing can follow the end mark into the queue
            if not self._is_open:
                raise StoreUnavailableError("the writer is closed")
            self._queue.put((draft, future))
        return future

    def close(self) -> None:
        """Append the remaining drafts, then stop the thread."""
        with self._lock:
            if self._is_open:
                self._is_open = False
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._write([pair for pair in batch if pair[1].set_running_or_notify_cancel()])

    def _take(self) -> list[_Waiting]:
        """Wait for one draft and take all that are pending with it; empty after the last one."""
        batch: list[_Waiting] = []
        while len(batch) < LARGEST_BATCH and (not batch or not self._queue.empty()):
            found = self._queue.get()
            if found is None:
                self._queue.put(None)  # still the end, for the next look
                break
            batch.append(found)
        return batch

    def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            entries = self._journal.append([draft for draft, _ in batch])
        except Exception as error:  # it belongs to the requests, not to this thread
            self._refuse(batch, error)
        else:
            for (_, future), entry in zip(batch, entries, strict=True):
                future.set_result(entry)

    def _refuse(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """Give the error to the draft that caused it; append the others again without it."""
        if len(batch) > 1 and not isinstance(error, StoreUnavailableError):
            middle = len(batch) // 2
            self._write(batch[:middle])
            self._write(batch[middle:])
        else:
            for _, future in batch:
                future.set_exception(error)
