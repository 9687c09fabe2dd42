"""What comes together is handled together, a single one does not wait, one fault is one's own."""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from threading import Event
from typing import Any, cast

import pytest

from engine.errors import StoreUnavailableError
from engine.journal import batch_worker
from engine.journal.batch_worker import (
    QUIET_STEPS,
    REST_SECONDS,
    STEP_SECONDS,
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


def test_those_answered_together_are_waited_for(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    late = iter(["y", "z"])
    more: list[Future[StoredRecord]] = []

    def sleep(_: float) -> None:  # others are on their way
        if (name := next(late, None)) is not None:
            more.append(book.ask(name))

    for one in together(book, "a", "b", "c"):
        one.result(SECONDS)
    monkeypatch.setattr("engine.journal.batch_worker.time.sleep", sleep)
    book.ask("x").result(SECONDS)
    assert [one.result(SECONDS) for one in more] == cast("list[StoredRecord]", ["y", "z"])
    assert book.batches[-1] == ["x", "y", "z"]


def test_two_halves_that_take_turns_become_one_whole(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came while others were handled does not go ahead without them."""
    back = iter([["first"]])
    more: list[Future[StoredRecord]] = []

    def sleep(_: float) -> None:  # who was answered first asks again
        more.extend(book.ask(f"{name} again") for name in next(back, []))

    monkeypatch.setattr("engine.journal.batch_worker.time.sleep", sleep)
    for one in together(book, "a", "b"):
        one.result(SECONDS)
    assert len(more) == 1
    assert book.batches == [["first"], ["a", "b", "first again"]]


def test_who_does_not_come_back_is_waited_for_a_few_steps_only(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    monkeypatch.setattr("engine.journal.batch_worker.time.sleep", slept.append)
    for one in together(book, "a", "b"):
        one.result(SECONDS)
    assert slept == [STEP_SECONDS] * QUIET_STEPS


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


def order_of_rest(book: Book) -> list[list[str]]:
    """Return batches and rests where a request comes while a first one is handled."""
    together(book, "a")
    assert book.rested.wait(SECONDS)
    book.rested.clear()
    return list(book.order)


def test_what_can_wait_is_done_once_nothing_waits_and_once_a_pause(book: Book) -> None:
    assert order_of_rest(book) == [["first"], ["a"], ["rest"]]
    assert not book.rested.wait(5 * REST_SECONDS)
    book.ask("b").result(SECONDS)
    assert book.rested.wait(SECONDS)
    assert book.order[3:] == [["b"], ["rest"]]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("seeds_bug", [False, True])
def test_a_fault_of_what_can_wait_leaves_the_thread_to_requests(
    monkeypatch: pytest.MonkeyPatch, *, seeds_bug: bool
) -> None:
    """Seeded bug: the fault ends the thread."""

    def fail(book: Book) -> None:
        book.rested.set()
        raise ValueError("bad")

    monkeypatch.setattr(Book, "_rest", fail)
    if seeds_bug:
        monkeypatch.setattr(batch_worker, "Exception", KeyError, raising=False)
    book = Book()
    order_of_rest(book)
    if seeds_bug:
        book.desk._thread.join(SECONDS)
    assert book.desk._thread.is_alive() is not seeds_bug
    if not seeds_bug:
        book.ask("b").result(SECONDS)
    book.desk.close()


def test_a_rest_before_the_next_request_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seeded bug: what can wait goes before a request that waits already."""

    def wait(self: BatchWorker[Any]) -> PendingRequest[Any] | None:
        if not self._is_rested:
            self._rest()
        self._is_rested = False
        return self._queue.get()

    monkeypatch.setattr(BatchWorker, "_wait", wait)
    book = Book()
    assert order_of_rest(book)[:2] == [["first"], ["rest"]]
    book.desk.close()
