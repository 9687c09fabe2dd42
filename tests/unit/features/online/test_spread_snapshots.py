"""Snapshots of finds spread along links: the service makes those of a history, early or late."""

from collections.abc import Mapping

import pytest
from sqlalchemy import Connection, text

from engine.audit.projection_replay import open_scratch_store
from engine.domain.records import Arrival
from engine.domain.time_units import DAY, HOUR
from engine.errors import StoreUnavailableError
from engine.journal.journal import Journal
from engine.storage.database import Store, fetch_rows
from features.catalogue.find_spread import EVERY, LAG, Codes, Finds, Ints, values_as_of
from features.offline.encoded_history import read_log
from features.online import spread_snapshots
from features.online.backfill import backfill
from features.online.counter_log import Row
from features.online.counter_states import expand_rows, list_layouts
from features.online.spread_snapshots import SpreadSnapshots, read_head
from tests.support.sizes import PROOF
from tests.unit.features.online.replay import PLAN, Replay, as_known, batches, steps, unlike_bulk
from tests.unit.features.random_histories import History, history, tables

SIZE = 2_000 if PROOF else 40
FOUND = history(5, SIZE, step=12 * HOUR, span=120 * DAY)
_NUMBERS = [
    layout.number for group, layout in list_layouts(PLAN).items() if group.stream == "spread"
]
COUNTED = (
    "SELECT grp, entity, known_at, state FROM counters "  # noqa: S608 - numbers alone
    f"WHERE grp IN ({', '.join(map(str, _NUMBERS))}) ORDER BY grp, entity, known_at"
)
KEPT = (
    "SELECT known_at, crossing_id, entities FROM spread_crossings ORDER BY known_at",
    "SELECT known_at, crossing_id, is_elsewhere, found, seized, entities FROM spread_finds "
    "ORDER BY known_at, crossing_id, step",
    "SELECT cut FROM spread_head",
)


def play(store: Store, found: History = FOUND, *, is_early: bool = False) -> Replay:
    """Replay a history; early, each snapshot is made as soon as a record says its cut is past."""
    replay, early = Replay(store), SpreadSnapshots(PLAN)
    for batch in batches(steps(found), 6):
        replay.batch(batch)
        while is_early and early.make_early(store, replay.journal):
            pass
    return replay


def rows(connection: Connection, query: str) -> list[tuple[object, ...]]:
    """Return rows with bytes as such, on either store."""
    found = fetch_rows(connection, query)
    known = [tuple(bytes(x) if isinstance(x, memoryview) else x for x in row) for row in found]
    return list(expand_rows(known)) if query == COUNTED else known


@pytest.mark.parametrize("is_early", [False, True])
def test_snapshots_are_those_of_the_same_records_in_bulk(store: Store, *, is_early: bool) -> None:
    replay = play(store, is_early=is_early)
    assert unlike_bulk(FOUND, replay) == (0, 0)
    made = tables(as_known(FOUND, replay.known))
    with store.read() as live, open_scratch_store() as scratch:
        head = read_head(live)
        assert head is not None
        before = head + LAG + 1
        backfill(scratch, read_log(made, PLAN, before=before), PLAN, before=before)
        for query in (COUNTED, *KEPT):
            assert rows(live, query) == rows(scratch, query), query
        assert len(rows(live, COUNTED)) > 5 * SIZE


def test_a_snapshot_that_peeks_at_later_finds_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: finds of the week after the cut count too."""
    weeks = 2 * EVERY
    right = spread_snapshots._read_finds
    monkeypatch.setattr(spread_snapshots, "_read_finds", lambda c, cut: right(c, cut + weeks))

    def peek(seen: Codes, of: Codes, finds: Mapping[str, Finds], *, cut: int, size: int) -> Ints:
        return values_as_of(seen, of, finds, cut=cut + weeks, size=size)

    monkeypatch.setattr(spread_snapshots, "values_as_of", peek)
    assert min(unlike_bulk(FOUND, play(store))) > 0


def test_a_value_that_is_never_written_again_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: an entity keeps the value of its first snapshot."""
    right, known = SpreadSnapshots.changes, set[tuple[int, int]]()

    def write_once(self: SpreadSnapshots, c: Connection, cut: int) -> list[Row]:
        new = [row for row in right(self, c, cut) if row[:2] not in known]
        known.update(row[:2] for row in new)
        return new

    monkeypatch.setattr(SpreadSnapshots, "changes", write_once)
    assert min(unlike_bulk(FOUND, play(store))) > 0


def test_reads_wait_for_a_snapshot_that_a_record_of_another_program_made_due(
    store: Store,
) -> None:
    replay = play(store)
    crossing, declaration = FOUND.crossings[0][1:]
    with store.read() as connection:
        head = read_head(connection)
    assert head is not None
    other = Journal(store, [], replay.clock)  # as a command that counts nothing
    replay.clock.time = head + EVERY + LAG + DAY
    other.ensure_recent()

    def read() -> None:
        with store.read() as connection:
            as_of = other.head(connection).as_of
            one = Arrival(crossing=crossing, declaration=declaration)
            replay.features.read(connection, [one], as_of=[as_of])

    with pytest.raises(StoreUnavailableError, match="spread"):
        read()
    replay.tick(replay.clock.time + 2_000_000)
    read()
    with store.read() as connection:
        assert connection.scalar(text("SELECT cut FROM spread_head")) == head + EVERY


def test_what_an_earlier_snapshot_says_stays(store: Store) -> None:
    replay = play(store)
    with store.read() as connection:
        before = rows(connection, COUNTED)
    replay.tick(replay.clock.time + 30 * DAY)
    with store.read() as connection:
        after = rows(connection, COUNTED)
    assert len(after) > len(before)
    assert set(before) < set(after)
