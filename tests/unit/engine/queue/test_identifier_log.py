"""Identifiers written behind: a search sees the log, and its merge loses and doubles nothing."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import count

import pytest
from sqlalchemy import Connection, select

from engine.domain.identifiers import fold
from engine.queue import identifier_index
from engine.queue.identifier_index import (
    IDENTIFIERS,
    IdentifierRow,
    MergeState,
    append,
    find_decisions,
    list_texts,
    read_waiting,
)
from engine.queue.queue import DECISIONS
from engine.storage.database import Store
from tests.unit.engine.queue.test_identifier_index import body
from tests.unit.engine.queue.test_release_audits import row

SIZES = (3, 1, 7, 2, 5, 1, 1, 4)
LAST = 60


@pytest.fixture(autouse=True)
def small_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step of a merge is met within sixty decisions."""
    monkeypatch.setattr(identifier_index, "LONGEST_LOG", 20)
    monkeypatch.setattr(identifier_index, "LEAST_MERGED", 8)


def batches() -> Iterator[Sequence[int]]:
    """Yield the numbers of decisions that are recorded together."""
    first = 1
    for place in count():
        if first > LAST:
            return
        yield range(first, first + SIZES[place % len(SIZES)])
        first += SIZES[place % len(SIZES)]


def record(connection: Connection, numbers: Sequence[int], *, undone: bool = False) -> None:
    """Record decisions by these numbers; those that will be undone have other identifiers."""
    shift = 5_000 if undone else 0
    if not undone:
        connection.execute(DECISIONS.insert(), [row(n) for n in numbers])
    append(connection, [(n, list_texts(body(n + shift))) for n in numbers])


def record_all(store: Store) -> None:
    for numbers in batches():
        with store.write() as connection:
            record(connection, numbers)


def list_expected(last: int) -> list[IdentifierRow]:
    return sorted((*text, n) for n in range(1, last + 1) for text in list_texts(body(n)))


def list_rows(store: Store) -> list[IdentifierRow]:
    """Return all rows, merged or not; none may be both."""
    with store.read() as connection:
        merged = [(bytes(text), *rest) for text, *rest in connection.execute(select(IDENTIFIERS))]
        waiting = read_waiting(connection)
    assert waiting == sorted(waiting)
    return sorted([*merged, *waiting])


def find(store: Store, text: str) -> list[tuple[int, list[str]]]:
    with store.read() as connection:
        found = find_decisions(connection, fold(text), post=None, most=500)
    return [(one.seq, [kind.code for kind in one.kinds]) for one in found]


def test_a_search_finds_every_decision_at_every_step_of_a_merge(store: Store) -> None:
    states: set[tuple[bool, bool]] = set()
    for numbers in batches():
        with store.write() as connection:
            record(connection, numbers)
        last = numbers[-1]
        with store.read() as connection:
            state = identifier_index._read_state(connection)
        states.add((state.frozen > 0, state.reached > 0))
        assert find(store, f"{last:04d}ÿ") == [(last, ["plate"])]
        assert find(store, "XTA210990") == [(n, ["vin"]) for n in range(last, 0, -1)]
        assert find(store, f"d{last}00") == [] and find(store, "d10") == (
            [(10, ["decision"])] if last >= 10 else []
        )
        assert list_rows(store) == list_expected(last)
    assert states == {(False, False), (True, True)}
    with store.read() as connection:
        found = find_decisions(connection, "XTA210990", post=None, before=50, most=3)
    assert [one.seq for one in found] == [49, 48, 47]


def test_what_is_undone_is_never_merged(store: Store) -> None:
    """Undo every batch once before it is recorded, with other identifiers under its numbers."""
    for numbers in batches():
        with store.engine.connect() as connection:
            record(connection, numbers[:1], undone=True)
            record(connection, numbers[1:], undone=True)  # both parts of one transaction
            record(connection, range(numbers[-1] + 30, numbers[-1] + 31), undone=True)
            record(connection, range(numbers[-1] + 31, numbers[-1] + 32), undone=True)
            connection.rollback()
        with store.write() as connection:
            record(connection, numbers)
    assert list_rows(store) == list_expected(numbers[-1])


class KilledError(Exception):
    """The process ends in the middle of a commit."""


def test_processes_in_turns_and_after_a_crash_go_on_where_the_last_commit_was(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three processes take turns; each batch is cut off once after its slice was merged."""
    write = identifier_index._write_state

    def cut_off(connection: Connection, state: MergeState) -> None:
        write(connection, state)
        raise KilledError

    with Store(store_url) as second, Store(store_url) as third:
        for place, numbers in enumerate(batches()):
            each = (store, second, third)[place % 3]
            with monkeypatch.context() as patch, suppress(KilledError):
                patch.setattr(identifier_index, "_write_state", cut_off)
                with each.write() as connection:
                    record(connection, numbers)
                continue  # nothing was merged: it is recorded
            with each.write() as connection:
                record(connection, numbers)
        assert list_rows(store) == list_expected(numbers[-1])


def test_an_overlay_that_is_lost_is_caught(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identifier_index, "read_logged", lambda *_: iter(()))
    with pytest.raises(AssertionError):
        test_a_search_finds_every_decision_at_every_step_of_a_merge(store)


def test_a_log_that_is_emptied_before_its_last_slice_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a flush out of order."""
    write, empty = identifier_index._write_state, identifier_index._empty

    def too_early(connection: Connection, state: MergeState) -> None:
        if state.frozen:
            empty(connection, upto=state.frozen)
        else:
            write(connection, state)

    monkeypatch.setattr(identifier_index, "_write_state", too_early)
    record_all(store)
    assert set(list_expected(LAST)) - set(list_rows(store))


def test_a_memory_of_what_was_undone_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: rows that are remembered of one merge are taken for those of another."""
    monkeypatch.setattr(identifier_index, "randbits", lambda _: 1)
    with pytest.raises(AssertionError):
        test_what_is_undone_is_never_merged(store)
