"""States that the table of counters answered are remembered: no read may tell."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.domain.time_units import DAY
from engine.storage.database import Store
from features.offline.encoded_history import read_log
from features.online import counter_log, counter_store
from features.online.backfill import backfill
from features.online.counter_log import ANY, LogMemory, Overlay, Span, Window
from features.online.counter_states import pick_states
from tests.unit.features.online.record_batches import batches, steps, until
from tests.unit.features.online.replay import PLAN, Replay, unlike_bulk
from tests.unit.features.random_histories import history, tables

FOUND = history(11, 36, step=6 * DAY, crowd=4)
"""A year, in which windows move over what is in the table."""
FEW = 4


def replay(store: Store) -> Replay:
    """Record a history, a few records at once, in one process."""
    served = Replay(store)
    for batch in batches(steps(FOUND), FEW):
        served.batch(batch)
    return served


def unlike(store: Store) -> int:
    """Count what was served and is not as in bulk."""
    return unlike_bulk(FOUND, replay(store))[0]


def load_and_serve(store: Store) -> int:
    """Load half of the history and serve the rest; count what is not as in bulk."""
    served, order = Replay(store), steps(FOUND)
    half = order[len(order) // 2][0]
    loaded = until(FOUND, half)
    with store.write() as connection:
        backfill(connection, read_log(tables(loaded), PLAN), PLAN)
    for batch in batches([step for step in order if step[0] >= half], FEW):
        served.tick(batch[-1][0])
        served.batch(batch)
    return unlike_bulk(FOUND, served)[0]


def test_what_is_served_from_memory_is_as_in_bulk(store: Store) -> None:
    assert unlike_bulk(FOUND, replay(store)) == (0, 0)


def change_spans(monkeypatch: pytest.MonkeyPatch, change: Callable[[Overlay, Span], Span]) -> None:
    """Seed a bug in what is remembered."""
    remember = Overlay.remember

    def wrongly(seen: Overlay, window: Window, span: Span) -> None:
        remember(seen, window, change(seen, span))

    monkeypatch.setattr(Overlay, "remember", wrongly)


def test_a_window_that_passes_the_next_row_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_spans(monkeypatch, lambda seen, one: (one[0], max(one[1], seen.floor), one[2]))
    assert unlike(store) > 0


def test_a_last_state_that_outlives_its_floor_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    change_spans(monkeypatch, lambda _, one: (one[0], min(one[1], ANY - 1), one[2]))
    assert unlike(store) > 0


def test_a_snapshot_of_spread_finds_that_is_remembered_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counter_store, "UNREMEMBERED", 0)
    assert unlike(store) > 0


def test_rows_of_a_load_that_are_taken_for_rows_of_the_log_are_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: the floor of counters that were replaced is at the beginning of time."""
    monkeypatch.setattr(counter_log, "LONGEST", 10**6)  # nothing is merged since
    catch_up = LogMemory._catch_up

    def too_low(memory: LogMemory, *seen: Any) -> None:
        memory.floor = memory.floor or 1
        catch_up(memory, *seen)

    monkeypatch.setattr(LogMemory, "_catch_up", too_low)
    assert load_and_serve(store) > 0


@pytest.mark.parametrize("longest", [150, 10**6])
def test_a_load_is_as_in_bulk(store: Store, monkeypatch: pytest.MonkeyPatch, longest: int) -> None:
    monkeypatch.setattr(counter_log, "LONGEST", longest)
    assert load_and_serve(store) == 0


def test_a_state_of_a_block_that_outlives_the_next_is_caught(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seeded bug: of a block it is not asked which of its states comes next."""

    def alone(*asked: Any) -> list[tuple[bytes, int]]:
        return [(state, 0) for state, _ in pick_states(*asked)]

    monkeypatch.setattr(counter_store, "pick_states", alone)
    assert load_and_serve(store) > 0
