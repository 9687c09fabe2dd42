"""Blocks of counter states: the same bits back, a look-up's state, other bytes refused."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.errors import DamagedStoreError
from features.online.counter_states import (
    expand_rows,
    is_block,
    pack_blocks,
    pick_states,
    unpack_block,
)

Ints = NDArray[np.int64]
RNG = np.random.default_rng(81)
SECOND = 1_000_000
LAST, FIRST = np.iinfo(np.int64).max, np.iinfo(np.int64).min
FLOATS = np.array([np.nan, -np.nan, 0.0, -0.0, 1.5, -3e300, 5e-324, 2.0**53 + 2, np.inf])


def some_states(
    sums: int, carried: int, *, step: int = 1, size: int = 150
) -> tuple[Ints, Ints, Ints]:
    """Return keys, times and states of entities that have 1 to 70 states each."""
    entity = np.repeat([FIRST, -3, 2, 7, LAST], [1, 40, 5, 70, size - 116])
    times = np.sort(RNG.choice(10**9, size, replace=False)) * step
    known_at = np.concatenate([times[entity == one] for one in np.unique(entity)])
    states = np.empty((size, sums + carried), np.int64)
    states[:, :sums] = RNG.integers(0, 3, (size, sums)).cumsum(axis=0)
    states[:, sums:] = RNG.choice(FLOATS, (size, carried)).view(np.int64)
    return entity, known_at, states


def list_rows(entity: Ints, known_at: Ints, states: Ints) -> list[tuple[int, int, int, bytes]]:
    """Return the rows that single states would be."""
    packed = [state.tobytes() for state in states]
    return [(9, *row) for row in zip(entity.tolist(), known_at.tolist(), packed, strict=True)]


def pack_and_expand(
    entity: Ints, known_at: Ints, states: Ints, sums: int
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
