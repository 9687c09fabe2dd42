"""One durable commit for many requests.

One thread takes all pending drafts and appends them as one batch: under load a flush of the log
serves hundreds, and a single record is never delayed. Nothing is acknowledged before its commit.
"""

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from engine.journal.batch_worker import BatchThread
from engine.journal.entries import Draft, Entry
from engine.journal.journal import Journal

LARGEST_BATCH = 512
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
        super().__init__(self._write, name="journal-writer", most=LARGEST_BATCH)

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
