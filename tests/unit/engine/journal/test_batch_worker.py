"""What comes together is handled together, a single one does not wait, one fault is one's own."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from threading import Event
from typing import Any, cast

import pytest

from engine.errors import StoreUnavailableError
from engine.journal.batch_worker import (
    BatchWorker,
    PendingRequest,
    StoredRecord,
)
from engine.journal.idempotency import IdempotencyClaim

SECONDS = 10


class Book:
    """A desk that notes its batches, held until it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.order: list[list[str]] = []
        """Batches and rests. These begin by the clock, so that no other test may count them."""
        self.held, self.free = Event(), Event()
        self.rested = Event()
        self.desk: BatchWorker[str] = BatchWorker(self._handle, name="book", rest=self._rest)

    def ask(self, what: str) -> "Future[StoredRecord]":
        return self.desk.ask(what, IdempotencyClaim("kind", "OYB", (what,), what))

    def _rest(self) -> None:
        self.order.append(["rest"])
        self.rested.set()

    def _handle(self, asked: Sequence[PendingRequest[str]]) -> None:
        self.batches.append([one.what for one in asked])
        self.order.append(self.batches[-1])
        self.held.set()
        assert self.free.wait(SECONDS)
        if any(one.what == "lost" for one in asked):
            raise StoreUnavailableError("gone")
        if any(one.what.startswith("bad") for one in asked):
            raise ValueError("bad")
        for one in asked:
            one.answer.set_result(cast("StoredRecord", one.what))


@pytest.fixture
def book() -> Iterator[Book]:
    found = Book()
    yield found
    found.free.set()
    found.desk.close()


def together(book: Book, *names: str) -> "list[Future[StoredRecord]]":
    """Ask for all of them while the desk is busy with a first one, and let it go."""
    waiting = [book.ask("first")]
    assert book.held.wait(SECONDS)
    waiting += [book.ask(name) for name in names]
    book.free.set()
    return waiting


def errors(waiting: "Sequence[Future[StoredRecord]]") -> list[str]:
    return [type(one.exception(SECONDS)).__name__ for one in waiting]


def test_what_waits_is_one_batch(book: Book) -> None:
    for one in together(book, "a", "b", "c"):
        one.result(SECONDS)
    assert book.batches == [["first"], ["a", "b", "c"]]


def test_a_single_request_is_not_delayed(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("engine.journal.batch_worker.time.sleep", slept.append)
    book.free.set()
    for name in "abc":
        book.ask(name).result(SECONDS)
    assert slept == []


def test_a_fault_is_found_by_halves_and_belongs_to_one(book: Book) -> None:
    names = ["a", "b", "bad", "c", "d", "e", "f", "g"]
    found = dict(zip(["first", *names], errors(together(book, *names)), strict=True))
    assert {name for name, error in found.items() if error != "NoneType"} == {"bad"}
    assert len(book.batches) == 1 + 1 + 2 * 3, "halves, not one by one"


def test_a_lost_store_is_everybodys_and_is_not_asked_again(book: Book) -> None:
    assert errors(together(book, "a", "lost", "b")) == ["NoneType"] + ["StoreUnavailableError"] * 3
    assert len(book.batches) == 2


def test_one_by_one_instead_of_halves_is_seen(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: a batch that breaks is tried one by one."""

    def singly(self: BatchWorker[Any], batch: Sequence[PendingRequest[Any]]) -> None:
        try:
            self._handle(batch)
        except ValueError as error:
            for one in batch:
                if len(batch) > 1:
                    self._attempt([one])
                else:
                    one.answer.set_exception(error)

    monkeypatch.setattr(BatchWorker, "_attempt", singly)
    errors(together(book, "a", "b", "bad", "c", "d", "e", "f", "g"))
    assert len(book.batches) != 1 + 1 + 2 * 3
