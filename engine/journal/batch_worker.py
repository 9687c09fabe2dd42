"""Pending requests and records, handled in batches by one thread each.

One thread does the numerics of requests, because two would contend for the same cores and caches.
All requests that wait when it becomes free are one batch: under load one snapshot and one call
serve many requests, and without load no request waits for another. A repeated request is handled
once.

Another thread appends all pending drafts as one batch: under load one flush of the log serves
hundreds of records, and a single record is never delayed. Nothing is acknowledged before its
commit.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection

from engine.errors import ConflictError, StoreUnavailableError
from engine.journal.entries import Draft, Entry
from engine.journal.idempotency import (
    IdempotencyClaim,
    find_answer,
    find_holders,
    refuse_taken_name,
)
from engine.journal.journal import Journal

LARGEST_BATCH = 128
"""Bounds how long the first of a batch waits for the last."""
STEP_SECONDS, QUIET_STEPS, MOST_STEPS = 0.001, 4, 12
"""How long the thread waits for senders of the last batch: until no request came for some steps. A
batch of 16 costs 25 % less per request than two of 8. A single request is never delayed."""

What = TypeVar("What")


Item = TypeVar("Item", bound="PendingRequest[Any] | PendingDraft")


class BatchThread(Generic[Item]):
    """One thread that handles what many threads hand in, in their order, all that waits at once."""

    def __init__(
        self,
        handle: Callable[[Sequence[Item]], None],
        *,
        name: str,
        most: int = LARGEST_BATCH,
    ) -> None:
        self._handle = handle
        self._most = most
        self._queue: SimpleQueue[Item | None] = SimpleQueue()
        self._lock = Lock()
        self._is_closed = False
        self._thread = Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, item: Item) -> None:
        """Queue one item; raises ``StoreUnavailableError`` once the thread is closed."""
        with self._lock:  # so that nothing can follow the end mark into the queue
            self._put(item)

    def _put(self, item: Item) -> None:
        if self._is_closed:
            raise StoreUnavailableError("the service is stopping")
        self._queue.put(item)

    def close(self) -> None:
        """Process the remaining items, then stop the thread."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._attempt(batch)

    def _take(self) -> list[Item]:
        """Wait for one item and take all that are pending with it; empty after the last one."""
        return self._drained([])

    def _drained(self, batch: list[Item]) -> list[Item]:
        while len(batch) < self._most and (not batch or not self._queue.empty()):
            found = self._queue.get()
            if found is None:
                if batch:
                    self._queue.put(None)  # still the end, for the next look
                break
            batch.append(found)
        return batch

    def _attempt(self, batch: Sequence[Item]) -> None:
        """Handle a batch; an item that makes it fail is found by halving the unanswered ones."""
        try:
            self._handle(batch)
        except Exception as error:  # belongs to the items, not to this thread
            left = [one for one in batch if not one.answer.done()]
            if len(left) > 1 and not isinstance(error, StoreUnavailableError):
                self._attempt(left[: len(left) // 2])
                self._attempt(left[len(left) // 2 :])
                return
            for one in left:
                one.answer.set_exception(error)


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A record that stands in the journal, with its body."""

    entry: Entry
    body: Mapping[str, Any]


@dataclass(slots=True)
class PendingRequest(Generic[What]):
    """One request that waits for its record."""

    what: What
    claim: IdempotencyClaim
    answer: "Future[StoredRecord]" = field(default_factory=Future)
    tries: int = 0


class BatchWorker(BatchThread[PendingRequest[What]]):
    """Takes requests from many threads and hands them in batches to one."""

    def __init__(
        self,
        handle: Callable[[Sequence[PendingRequest[What]]], None],
        *,
        name: str,
    ) -> None:
        self._open: dict[str, PendingRequest[What]] = {}
        self._together = 0
        self._last = 0
        super().__init__(handle, name=name)

    def ask(self, what: What, claim: IdempotencyClaim) -> "Future[StoredRecord]":
        """Return the future of the record; a request that is already pending gets the same one.

        Raises ``ConflictError`` where other content is pending under the same name.
        """
        with self._lock:
            for name in claim.names:
                if (other := self._open.get(name)) is not None:
                    if other.claim.content != claim.content:
                        raise refuse_taken_name(claim.kind, name)
                    return other.answer
            asked = PendingRequest(what, claim)
            self._put(asked)
            self._open.update(dict.fromkeys(claim.names, asked))
        asked.answer.add_done_callback(lambda _: self._forget(claim))
        return asked.answer

    def retry(self, asked: PendingRequest[What]) -> None:
        """Queue a request again: another process recorded its answer first, or its batch failed."""
        asked.tries += 1
        self.defer(asked)

    def defer(self, asked: PendingRequest[What]) -> None:
        """Queue a request for the next batch."""
        try:
            self.put(asked)
        except StoreUnavailableError as error:
            asked.answer.set_exception(error)

    def _forget(self, claim: IdempotencyClaim) -> None:
        with self._lock:
            for name in claim.names:
                self._open.pop(name, None)

    def _take(self) -> list[PendingRequest[What]]:
        """Return the pending requests; wait briefly where more senders are expected.

        Senders that came during the last batch were not in it: those of the batch may return too.
        """
        meanwhile = self._queue.qsize()
        batch = self._drained([])
        senders = max(self._together, self._last + meanwhile)
        quiet, steps = 0, 0
        while 0 < len(batch) < senders and quiet < QUIET_STEPS and steps < MOST_STEPS:
            time.sleep(STEP_SECONDS)
            before = len(batch)
            batch = self._drained(batch)
            quiet = 0 if len(batch) > before else quiet + 1
            steps += 1
        self._last = len(batch)
        self._together = max(len(batch), self._together // 2)
        return batch


def drop_answered(
    connection: Connection, journal: Journal, asked: Sequence[PendingRequest[What]]
) -> list[PendingRequest[What]]:
    """Answer requests recorded before, refuse those that conflict, and return the others."""
    known = find_holders(connection, (name for one in asked for name in one.claim.names))
    rest = []
    for one in asked:
        try:
            seq = find_answer(one.claim, known)
        except ConflictError as conflict:
            one.answer.set_exception(conflict)
            continue
        if seq is None:
            rest.append(one)
        else:
            one.answer.set_result(read_stored(connection, journal, seq))
    return rest


def read_stored(connection: Connection, journal: Journal, seq: int) -> StoredRecord:
    """Return a record as it stands."""
    return StoredRecord(journal.entry(connection, seq), journal.body(connection, seq))


LARGEST_COMMIT = 512
"""Bounds how long the lock is held; larger batches gain nothing any more."""


@dataclass(frozen=True, slots=True)
class PendingDraft:
    """One draft that waits for its entry."""

    draft: Draft
    answer: "Future[Entry]" = field(default_factory=Future)


class Writer(BatchThread[PendingDraft]):
    """Appends drafts from many threads, in the order in which they came.

    The error of a batch goes to the draft that caused it; the others are appended without it.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        super().__init__(self._write, name="journal-writer", most=LARGEST_COMMIT)

    def submit(self, draft: Draft) -> "Future[Entry]":
        """Return at once the future of the entry, or of the error that prevented it."""
        pending = PendingDraft(draft)
        self.put(pending)
        return pending.answer

    def _attempt(self, batch: Sequence[PendingDraft]) -> None:
        """Append a batch without what its senders cancelled."""
        super()._attempt(
            [
                one
                for one in batch
                if one.answer.running() or one.answer.set_running_or_notify_cancel()
            ]
        )

    def _write(self, batch: Sequence[PendingDraft]) -> None:
        entries = self._journal.append([one.draft for one in batch])
        for one, entry in zip(batch, entries, strict=True):
            one.answer.set_result(entry)
