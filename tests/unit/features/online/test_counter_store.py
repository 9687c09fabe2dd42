"""The store's counters: what is read never moves; remembered states and blocks say the same."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sqlalchemy import Connection

from engine.domain.records import Arrival
from engine.domain.time_units import DAY, HOUR
from engine.errors import DamagedStoreError
from engine.storage.database import Store
from features.offline.encoded_history import read_log
from features.offline.feature_matrix import matrix
from features.online import counter_log, counter_store
from features.online.backfill import backfill
from features.online.counter_log import ANY, LogMemory, Overlay, Span, Window
from features.online.counter_states import (
    expand_rows,
    is_block,
    pack_blocks,
    pick_states,
    unpack_block,
)
from features.online.online_features import OnlineFeatures
from tests.support.sizes import PROOF
from tests.unit.features.online.replay import (
    PLAN,
    Replay,
    batches,
    bits,
    steps,
    unlike_bulk,
    until,
)
from tests.unit.features.random_histories import (
    NETWORK,
    history,
    tables,
)

Ints = NDArray[np.int64]
FEATURES = OnlineFeatures(PLAN, NETWORK)
LOADED, REPLAYED = (400, 200) if PROOF else (60, 40)


def list_single_states(
    entity: Ints, known_at: Ints, states: Ints, _sums: int
) -> tuple[list[int], list[int], list[bytes]]:
    """Return rows of single states, as the service writes them."""
    return entity.tolist(), known_at.tolist(), [state.tobytes() for state in states]


@pytest.mark.parametrize("is_single", [False, True])
def test_a_loaded_history_reads_as_if_replayed(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, is_single: bool
) -> None:
    """Fill the counters from a whole history: the same bits as counting it in bulk."""
    if is_single:
        monkeypatch.setattr(counter_store, "pack_blocks", list_single_states)
    found = history(11, LOADED, step=6 * HOUR)
    log = read_log(tables(found), PLAN)
    with store.write() as connection:
        backfill(connection, log, PLAN)
    arrivals = [Arrival(crossing=c, declaration=d) for _, c, d in found.crossings]
    with store.read() as connection:
        served = FEATURES.read(connection, arrivals, as_of=log.as_of.tolist()).values
    assert bits(served, matrix(log, PLAN).values) == 0


def test_an_append_right_after_its_read_asks_nothing_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    latest = counter_store.latest

    def count_lookups(connection: Connection, lookups: Sequence[counter_store.Lookup]) -> object:
        seen.append(len(lookups))
        return latest(connection, lookups)

    monkeypatch.setattr(counter_store, "latest", count_lookups)
    replay = Replay(store)
    for step in steps(history(3, 40)):
        if step[1] == 0:  # a crossing
            replay.batch([step])
    assert len(seen) == 40
    assert not any(seen[1:])  # the first has no record before it to go by


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

    def wrongly(seen: Overlay, answers: Mapping[Window, Span]) -> None:
        remember(seen, {window: change(seen, span) for window, span in answers.items()})

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


BlockInts = NDArray[np.int64]
RNG = np.random.default_rng(81)
SECOND = 1_000_000
LAST, FIRST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
FLOATS = np.array([np.nan, -np.nan, 0.0, -0.0, 1.5, -3e300, 5e-324, 2.0**53 + 2, np.inf])


def some_states(
    sums: int, carried: int, *, step: int = 1, size: int = 150
) -> tuple[BlockInts, BlockInts, BlockInts]:
    """Return keys, times and states of entities that have 1 to 70 states each."""
    entity = np.repeat([FIRST, -3, 2, 7, LAST], [1, 40, 5, 70, size - 116])
    times = np.sort(RNG.choice(10**9, size, replace=False)) * step
    known_at = np.concatenate([times[entity == one] for one in np.unique(entity)])
    states = np.empty((size, sums + carried), np.int64)
    states[:, :sums] = RNG.integers(0, 3, (size, sums)).cumsum(axis=0)
    states[:, sums:] = RNG.choice(FLOATS, (size, carried)).view(np.int64)
    return entity, known_at, states


def list_rows(
    entity: BlockInts, known_at: BlockInts, states: BlockInts
) -> list[tuple[int, int, int, bytes]]:
    """Return the rows that single states would be."""
    packed = [state.tobytes() for state in states]
    return [(9, *row) for row in zip(entity.tolist(), known_at.tolist(), packed, strict=True)]


def pack_and_expand(
    entity: BlockInts, known_at: BlockInts, states: BlockInts, sums: int
) -> list[tuple[object, ...]]:
    """Return the rows of the blocks of these states."""
    rows = pack_blocks(entity, known_at, states, sums)
    assert all(is_block(block) for block in rows[2])
    return list(expand_rows((9, *row) for row in zip(*rows, strict=True)))


@pytest.mark.parametrize(
    ("sums", "carried", "step"), [(1, 0, 1), (0, 3, SECOND), (9, 1, SECOND), (17, 2, 1)]
)
def test_blocks_give_the_same_bits_back(sums: int, carried: int, step: int) -> None:
    entity, known_at, states = some_states(sums, carried, step=step)
    if carried:
        states[:, -1] = known_at.astype(np.float64).view(np.int64)  # as a group that carries it
    assert pack_and_expand(entity, known_at, states, sums) == list_rows(entity, known_at, states)


def test_sums_that_wrap_around_and_times_before_1970_come_back() -> None:
    entity, known_at, states = some_states(3, 1)
    states[:, :3] = RNG.choice([FIRST, LAST, 0, -1], (len(states), 3))
    known_at -= 5 * 10**8
    assert pack_and_expand(entity, known_at, states, 3) == list_rows(entity, known_at, states)


def blocks_and_cuts() -> tuple[list[bytes], list[int], list[tuple[bytes, int]]]:
    """Return blocks, a cut for each state at its very time, and what is found before each cut."""
    entity, known_at, states = some_states(4, 2, step=SECOND)
    blocks, cuts, wanted = [], [], []
    for block in pack_blocks(entity, known_at, states, 4)[2]:
        for (_, state), (time, _) in pairwise(unpack_block(block)):
            blocks.append(block)
            cuts.append(time)
            wanted.append((state, time))
        blocks.append(block)
        cuts.append(LAST)
        wanted.append((unpack_block(block)[-1][1], 0))
    return blocks, cuts, wanted


def test_a_look_up_finds_the_state_strictly_before_its_cut() -> None:
    blocks, cuts, wanted = blocks_and_cuts()
    assert pick_states(blocks, cuts) == wanted
    assert pick_states(blocks[:1], cuts[:1]) == wanted[:1]


def test_a_look_up_that_sees_its_own_time_is_caught() -> None:
    """Negative control."""
    blocks, cuts, wanted = blocks_and_cuts()
    assert pick_states(blocks, [min(cut, LAST - 1) + 1 for cut in cuts]) != wanted


def test_bytes_that_are_no_block_are_refused() -> None:
    """Whatever an edited store holds: an error, or states of the width that it says, no crash."""
    entity, known_at, states = some_states(3, 2)
    whole = pack_blocks(entity, known_at, states, 3)[2][1]
    for size in range(1, len(whole) - 1):  # the last byte may be there for the length alone
        with pytest.raises(DamagedStoreError):
            unpack_block(whole[:size])
    with pytest.raises(DamagedStoreError):
        pick_states([whole, whole[:-3], whole], [LAST] * 3)
    with pytest.raises(DamagedStoreError):
        pick_states([whole, b"a"], [LAST] * 2)
    with pytest.raises(DamagedStoreError):
        unpack_block(whole + b"\0")
    for noise in RNG.integers(0, 256, (2_000, 61), np.uint8):
        try:
            unpack_block(noise.tobytes())
            pick_states([noise.tobytes()], [LAST])
        except DamagedStoreError:
            continue
