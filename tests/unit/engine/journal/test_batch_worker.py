"""Batches: what comes together shares a commit, and the fault of one record is its own."""

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from copy import copy
from typing import cast

import pytest
from sqlalchemy import Connection

from engine.audit.verification import verify
from engine.errors import RecordError, StoreUnavailableError
from engine.journal.batch_worker import (
    LARGEST_COMMIT,
    BatchWorker,
    PendingDraft,
    PendingRequest,
    StoredRecord,
    Writer,
)
from engine.journal.entries import Draft, Entry
from engine.journal.idempotency import IdempotencyClaim
from engine.journal.journal import Journal
from engine.storage.database import Store

COMMIT_SECONDS = 20


def draft(subject: str) -> Draft:
    return Draft("roster", subject, "OYB", {"subject": subject})


class Picky:
    """A projection that cannot stand some subjects."""

    def __call__(self, connection: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
        if any(entry.subject.startswith("bad") for entry, _ in entries):
            raise KeyError("bad")


class CountingJournal(Journal):
    """A journal that counts its batches and can be held."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, [Picky()])
        self.sizes: list[int] = []
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()

    def append(self, drafts: Sequence[Draft]) -> list[Entry]:
        self.entered.set()
        self.gate.wait(COMMIT_SECONDS)
        self.sizes.append(len(drafts))
        return super().append(drafts)


@contextmanager
def hold_writer(journal: CountingJournal, kind: type[Writer] = Writer) -> Iterator[Writer]:
    """Lend a writer that is busy with a first record until the block ends."""
    writer = kind(journal)
    journal.gate.clear()
    writer.submit(draft("first"))
    journal.entered.wait(COMMIT_SECONDS)
    yield writer
    journal.gate.set()
    writer.close()


def test_what_waits_shares_one_commit(store: Store) -> None:
    journal = CountingJournal(store)
    with hold_writer(journal) as writer:
        futures = [writer.submit(draft(f"s{number}")) for number in range(50)]

    assert journal.sizes == [1, 50]
    assert [future.result().subject for future in futures] == [f"s{n}" for n in range(50)]
    assert [future.result().seq for future in futures] == list(range(2, 52))
    assert verify(store).ok


def list_early(store: Store, kind: type[Writer], monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Tell after each commit whether the record that followed the first was answered by then."""
    futures: list[Future[Entry]] = []
    early: list[bool] = []
    append = Journal.append

    def append_and_look(journal: Journal, drafts: Sequence[Draft]) -> list[Entry]:
        entries = append(journal, drafts)
        early.append(futures[0].done())
        return entries

    monkeypatch.setattr(Journal, "append", append_and_look)
    with hold_writer(CountingJournal(store), kind) as writer:
        futures.append(writer.submit(draft("second")))
    assert futures[0].result(COMMIT_SECONDS).subject == "second"
    return early


def test_an_answer_follows_its_commit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list_early(store, Writer, monkeypatch) == [False, False]


class HastyWriter(Writer):
    """The seeded bug: answers from within the transaction, as the last projection."""

    def _write(self, batch: Sequence[PendingDraft]) -> None:
        def answer(_: Connection, entries: Sequence[tuple[Entry, Draft]]) -> None:
            for one, (entry, _draft) in zip(batch, entries, strict=True):
                one.answer.set_result(entry)

        hasty = copy(self._journal)
        hasty._projections = (*hasty._projections, answer)
        hasty.append([one.draft for one in batch])


def test_an_answer_before_the_commit_is_seen(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    assert list_early(store, HastyWriter, monkeypatch) == [False, True]


def test_a_single_request_is_not_delayed(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("engine.journal.batch_worker.time.sleep", slept.append)

    def answer(asked: Sequence[PendingRequest[str]]) -> None:
        for one in asked:
            one.answer.set_result(cast("StoredRecord", one.what))

    desk: BatchWorker[str] = BatchWorker(answer, name="desk")
    for name in "abc":
        claim = IdempotencyClaim("kind", "OYB", (name,), name)
        desk.ask(name, claim).result(COMMIT_SECONDS)
    desk.close()
    assert slept == []


def test_a_batch_is_bounded(store: Store) -> None:
    journal = CountingJournal(store)
    with hold_writer(journal) as writer:
        for number in range(LARGEST_COMMIT + 1):
            writer.submit(draft(f"s{number}"))

    assert journal.sizes == [1, LARGEST_COMMIT, 1]


def test_records_that_break_their_batch_are_taken_out_of_it(store: Store) -> None:
    bad = {3, 4, 17, 31}
    with hold_writer(CountingJournal(store)) as writer:
        futures = [
            writer.submit(draft(f"{'bad' if number in bad else 'good'}{number}"))
            for number in range(32)
        ]
        unspeakable = writer.submit(Draft("roster", "s", "OYB", {"value": float("nan")}))

    for number, future in enumerate(futures):
        if number in bad:
            assert isinstance(future.exception(), KeyError)
        else:
            assert future.result().subject == f"good{number}"
    assert isinstance(unspeakable.exception(), RecordError)
    assert verify(store).checked == 1 + 32 - len(bad)
    assert verify(store).ok


def test_a_fault_is_found_by_halves(store: Store) -> None:
    journal = CountingJournal(store)
    with hold_writer(journal) as writer:
        for name in ("a", "b", "bad", "c", "d", "e", "f", "g"):
            writer.submit(draft(name))
    assert journal.sizes == [1, 8, 4, 2, 2, 1, 1, 4]


def test_a_store_that_is_down_is_no_fault_of_a_record(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All are refused at once, without trying each alone, and the next is written."""
    journal = CountingJournal(store)

    def down(drafts: Sequence[Draft]) -> list[Entry]:
        journal.gate.wait(COMMIT_SECONDS)
        journal.sizes.append(len(drafts))
        raise StoreUnavailableError("down")

    with hold_writer(journal) as writer:
        monkeypatch.setattr(journal, "append", down)
        futures = [writer.submit(draft(f"s{number}")) for number in range(10)]
        journal.gate.set()
        errors = [type(future.exception(COMMIT_SECONDS)) for future in futures]
        monkeypatch.undo()
        after = writer.submit(draft("after")).result(COMMIT_SECONDS)

    assert errors == [StoreUnavailableError] * 10
    assert journal.sizes == [1, 10, 1]
    assert after.seq == 2


def test_many_threads_lose_and_double_nothing(store: Store) -> None:
    writer = Writer(Journal(store))
    seen: list[Entry] = []

    def send(sender: int) -> None:
        subjects = [f"{sender}-{number}" for number in range(25)]
        seen.extend(writer.submit(draft(subject)).result(COMMIT_SECONDS) for subject in subjects)

    senders = [threading.Thread(target=send, args=(sender,)) for sender in range(8)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    writer.close()

    assert {entry.subject for entry in seen} == {f"{s}-{n}" for s in range(8) for n in range(25)}
    assert sorted(entry.seq for entry in seen) == list(range(1, 201))
    assert verify(store).ok


def test_a_request_that_went_away_before_its_turn_is_not_written(store: Store) -> None:
    with hold_writer(CountingJournal(store)) as writer:
        gone, stays = writer.submit(draft("gone")), writer.submit(draft("stays"))
        assert gone.cancel()

    assert stays.result().seq == 2
    assert verify(store).checked == 2


def test_closing_writes_what_waits_and_takes_no_more(store: Store) -> None:
    journal = CountingJournal(store)
    with hold_writer(journal) as writer:
        futures = [writer.submit(draft(f"s{number}")) for number in range(LARGEST_COMMIT + 5)]
    writer.close()

    assert all(future.done() for future in futures)
    with pytest.raises(StoreUnavailableError):
        writer.submit(draft("late"))
    assert verify(store).checked == LARGEST_COMMIT + 6
