"""Counters written behind: every look-up sees the log, and its merge loses and doubles nothing."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.domain.time_units import HOUR
from engine.journal.entries import Draft, Entry
from engine.journal.journal import JOURNAL
from engine.storage.database import Store, fetch_rows, insert_rows
from features.catalogue.plan import Rows
from features.offline.encoded_history import read_log
from features.online import counter_log, counter_store
from features.online.backfill import backfill
from features.online.counter_log import Row, read_waiting, settle_log
from features.online.counter_states import expand_rows, pack_blocks
from features.online.counter_store import Ints, insert_states
from features.online.projection import CounterProjection
from tests.unit.features.online.replay import (
    PLAN,
    Replay,
    Step,
    as_known,
    batches,
    name_of,
    steps,
    unlike_bulk,
)
from tests.unit.features.random_histories import History, history
from tests.unit.features.random_histories import tables as to_tables

FOUND = history(7, 36, step=HOUR, crowd=9)
FEW = 6
_ALL = "SELECT grp, entity, known_at, state FROM counters ORDER BY grp, entity, known_at"


def record_history(store: Store, found: History = FOUND) -> Replay:
    """Record a history, a few records at once."""
    replay = Replay(store)
    for batch in batches(steps(found), FEW):
        replay.batch(batch)
    return replay


def list_rows(connection: Connection) -> list[Row]:
    """Return all counter rows that a connection sees, merged or not."""
    merged = list(expand_rows((*row[:3], bytes(row[3])) for row in fetch_rows(connection, _ALL)))
    waiting = read_waiting(connection)
    assert not {row[:3] for row in merged} & {row[:3] for row in waiting}
    return sorted(merged + waiting)


def filled_at_once(store: Store, replay: Replay) -> list[Row]:
    """Return the rows that a backfill of the same records gives; nothing of it stays."""
    log = read_log(to_tables(as_known(FOUND, replay.known)), PLAN)
    with store.engine.connect() as connection:
        backfill(connection, log, PLAN)
        return list_rows(connection)


def test_the_table_and_the_log_are_what_a_backfill_gives(store: Store) -> None:
    replay = record_history(store)
    with store.read() as connection:
        state = counter_log.read_log_state(connection)
        found = list_rows(connection)
        assert read_waiting(connection)
    assert 0 < state.merged < state.newest
    assert found == filled_at_once(store, replay)
    with store.write() as connection:
        settle_log(connection, insert_states)
    with store.read() as connection:
        assert read_waiting(connection) == []
        assert list_rows(connection) == found


def test_what_is_undone_was_never_seen(store: Store) -> None:
    """Undo every batch once before it is recorded: counters of its first attempt are nowhere."""
    replay = Replay(store)
    for batch in batches(steps(FOUND), FEW):
        with store.engine.connect() as connection:
            count_early(replay, connection, batch)
        replay.batch(batch)
    assert unlike_bulk(FOUND, replay) == (0, 0)


def count_early(replay: Replay, connection: Connection, batch: Sequence[Step]) -> None:
    """Count a batch's crossings under other names, read them back, and undo it."""
    head, counters = replay.journal.head(connection).known_at, CounterProjection(PLAN)
    crossings = [record for _, kind, record in batch if kind == 0]
    for number, record in enumerate(crossings, 1):
        event = replace(replay.features.record(*record), crossing_id=f"undone-{number}")
        seq, known_at = 10**6 + number, head + number
        insert_rows(connection, JOURNAL, [(seq, known_at, "", "", "", "", None, b"", b"")])
        entry = Entry("", seq, known_at, "", "", "", b"", b"")
        counters(connection, [(entry, Draft("", "", "", {}, extra=event))])
        assert counter_log.read_overlay(connection).size >= number
    connection.rollback()


def test_a_snapshot_of_before_several_merges_reads_as_it_did(store: Store) -> None:
    order = steps(FOUND)
    half = len(order) // 2
    replay = Replay(store)
    for batch in batches(order[:half], FEW):
        replay.batch(batch)
    arrivals, cuts = list_arrivals(replay)
    before = replay.read(arrivals, cuts)
    with store.read() as old:
        assert counter_log.read_log_state(old).newest
        for batch in batches(order[half:], FEW):
            replay.batch(batch)
        after = replay.features.read(old, arrivals, as_of=cuts).values
        with store.read() as new:
            assert counter_log.read_log_state(new).merged > counter_log.read_log_state(old).newest
    assert (before.view("<i4") == after.view("<i4")).all()


def list_arrivals(replay: Replay) -> tuple[list[Arrival], list[int]]:
    """Return the arrivals that were recorded, each with the cut after the last record."""
    arrivals = [
        Arrival(crossing=c, declaration=d)
        for _, c, d in FOUND.crossings
        if c.crossing_id in replay.rows
    ]
    with replay.store.read() as connection:
        cut = replay.journal.head(connection).as_of
    return arrivals, [cut] * len(arrivals)


def test_a_block_under_the_time_of_its_last_state_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:

    def pack_late(entity: Ints, known_at: Ints, states: Ints, sums: int) -> Any:
        names, times, blocks = pack_blocks(entity, known_at, states, sums)
        first = set(zip(names, times, strict=True))
        rows = zip(entity.tolist(), known_at.tolist(), strict=True)
        begins = [place for place, row in enumerate(rows) if row in first]
        return names, [int(known_at[end - 1]) for end in (*begins[1:], len(entity))], blocks

    replay = record_history(store)
    with store.read() as connection:
        found = list_rows(connection)
    assert filled_at_once(store, replay) == found
    monkeypatch.setattr(counter_store, "pack_blocks", pack_late)
    assert set(found) - set(filled_at_once(store, replay))


class KilledError(Exception):
    """The process ends in the middle of a commit."""


def test_a_process_that_starts_after_a_crash_goes_on_where_the_last_commit_was(
    store: Store, store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each batch is cut off once after its slice was merged, and recorded by a new process."""
    clock, state = Replay(store).clock, counter_log._write_state
    known: dict[str, int] = {}
    rows: dict[str, tuple[int, Rows]] = {}

    def cut_off(connection: Connection, new: counter_log.LogState) -> counter_log.LogState:
        state(connection, new)
        raise KilledError

    for batch in batches(steps(FOUND), 2 * FEW):
        with Store(store_url) as own:
            replay = Replay(own, clock=clock, known=known, rows=rows)
            with monkeypatch.context() as patch, suppress(KilledError):
                patch.setattr(counter_log, "_write_state", cut_off)
                replay.batch(batch)
            if not all(name_of(kind, record) in known for _, kind, record in batch):
                replay.batch(batch)
    assert unlike_bulk(FOUND, Replay(store, clock=clock, known=known, rows=rows)) == (0, 0)


def unlike(store: Store) -> tuple[int, int]:
    """Count what is not as in bulk."""
    return unlike_bulk(FOUND, record_history(store))


def test_an_overlay_that_is_lost_is_caught(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counter_log.Overlay, "last", lambda *_: None)
    served, again = unlike(store)
    assert served > 0
    assert again > 0


def test_a_log_that_is_emptied_before_its_last_slice_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: a flush out of order."""
    write = counter_log._write_state

    def too_early(connection: Connection, state: counter_log.LogState) -> counter_log.LogState:
        if state.is_merging:
            counter_log._delete(connection, state.frozen)
            state = replace(state, merged=state.frozen)
        return write(connection, state)

    monkeypatch.setattr(counter_log, "_write_state", too_early)
    replay = record_history(store)
    with store.read() as connection:
        found = list_rows(connection)
    monkeypatch.undo()
    assert set(filled_at_once(store, replay)) - set(found)


def test_a_memory_of_what_was_undone_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: rows are remembered before they are committed."""
    monkeypatch.setattr(counter_log._SeenLog, "own", property(lambda _: None, lambda *_: None))
    with pytest.raises(AssertionError):
        test_what_is_undone_was_never_seen(store)
